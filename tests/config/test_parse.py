"""What a valid file becomes: defaults, merging, aliases, and the way there and back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import ControllerSettings, Settings, TargetSettings
from autoscaler.config.parse import parse
from autoscaler.config.scaling import RateSettings, ScaleDownSettings, ScaleUpSettings
from autoscaler.config.schema import Key
from autoscaler.config.sources import SecretKey
from tests.config.drawn import any_settings, toml_of

TARGET = '[[targets]]\nnamespace = "data"\nname = "worker"\n'
QUEUES = 'queues = ["default"]\n'


def only_target(text: str) -> TargetSettings:
    """Return the one target of a configuration."""
    (target,) = parse(text).targets
    return target


def test_a_target_needs_no_more_than_its_address_and_queues() -> None:
    """Everything else has a default, the whole controller too."""
    assert parse(TARGET + QUEUES) == Settings(
        ControllerSettings(), (TargetSettings("data", "worker", ("default",)),)
    )


def test_the_defaults_stand_in_for_what_a_target_does_not_say() -> None:
    """Required keys as well, and the target's own word comes first."""
    text = (
        '[defaults]\nqueues = ["celery"]\nmin_replicas = 1\nmax_replicas = 5\n' + TARGET + "max_replicas = 7"
    )
    target = only_target(text)
    assert (target.queues, target.min_replicas, target.max_replicas) == (("celery",), 1, 7)


@pytest.mark.parametrize("table", ["scale_up", "scale_down"])
def test_a_direction_is_merged_key_by_key_but_its_policies_are_replaced(table: str) -> None:
    """A list is one value, whoever wrote it meant all of it."""
    text = (
        f"[defaults.{table}]\ntolerance = 0.3\nstabilization_window_seconds = 9\n"
        'policies = [{ type = "Pods", value = 1, period_seconds = 2 }]\n'
        f"{TARGET}{QUEUES}[targets.{table}]\nstabilization_window_seconds = 7\n"
        'policies = [{ type = "Percent", value = 50, period_seconds = 15 }]'
    )
    kind = ScaleUpSettings if table == "scale_up" else ScaleDownSettings
    assert getattr(only_target(text), table) == kind(
        stabilization_window_seconds=7.0, tolerance=0.3, policies=(RateSettings("Percent", 50, 15.0),)
    )


def test_a_target_can_disable_a_direction_for_which_the_defaults_have_policies() -> None:
    """The policies are inherited and do nothing, which is what was asked for."""
    policies = '[defaults.scale_down]\npolicies = [{ type = "Pods", value = 1, period_seconds = 2 }]\n'
    target = only_target(policies + TARGET + QUEUES + 'scale_down.select_policy = "Disabled"')
    assert target.scale_down.select_policy == "Disabled"


@pytest.mark.parametrize(
    "inherited", ['url = "redis://a"', 'url_env = "A"', 'secret = { name = "a", key = "b" }']
)
def test_a_source_of_the_url_replaces_the_inherited_one(inherited: str) -> None:
    """The rest of the broker is still merged key by key."""
    defaults = f'[defaults.broker]\n{inherited}\nglobal_keyprefix = "p:"\ntimeout_seconds = 2\n'
    target = only_target(
        defaults + TARGET + QUEUES + '[targets.broker]\nurl_file = "/url"\ntimeout_seconds = 3'
    )
    assert target.broker == BrokerSettings(url_file="/url", global_keyprefix="p:", timeout_seconds=3.0)


def test_a_broker_without_a_source_of_its_own_inherits_the_source() -> None:
    """Naming another key of the broker does not undo what [defaults] say."""
    defaults = '[defaults.broker]\nsecret = { name = "a", key = "b" }\n'
    target = only_target(defaults + TARGET + QUEUES + "broker.timeout_seconds = 3")
    assert target.broker == BrokerSettings(secret=SecretKey("a", "b"), timeout_seconds=3.0)


@pytest.mark.parametrize(
    ("spelt", "path", "value"),
    [
        ("minReplicas = 2", "min_replicas", 2),
        ("minReplicaCount = 2", "min_replicas", 2),
        ("maxReplicas = 20", "max_replicas", 20),
        ("maxReplicaCount = 20", "max_replicas", 20),
        ("cooldownPeriod = 300", "scale_down.stabilization_window_seconds", 300.0),
        ("cooldownPeriod = 300\nscale_down.tolerance = 0.5", "scale_down.tolerance", 0.5),
        ("scaleUp.stabilizationWindowSeconds = 4", "scale_up.stabilization_window_seconds", 4.0),
        ('scaleDown = { selectPolicy = "Min" }', "scale_down.select_policy", "Min"),
        (
            'scaleUp.policies = [{ type = "Pods", value = 3, periodSeconds = 60 }]',
            "scale_up.policies",
            (RateSettings("Pods", 3, 60.0),),
        ),
    ],
)
@pytest.mark.parametrize("holder", ["target", "defaults"])
def test_other_names_mean_the_same_on_a_target_and_in_the_defaults(
    spelt: str, path: str, value: object, holder: str
) -> None:
    """The words of the HorizontalPodAutoscaler and of KEDA are understood."""
    start = f"[defaults]\n{spelt}\n" if holder == "defaults" else ""
    found: object = only_target(start + TARGET + QUEUES + (spelt if holder == "target" else ""))
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_other_names_of_the_controller() -> None:
    """KEDA's name for the interval between polls is ours as well."""
    controller = parse("[controller]\npollingInterval = 5\ndryRun = true\n" + TARGET + QUEUES).controller
    assert (controller.poll_interval_seconds, controller.dry_run) == (5.0, True)


def test_a_target_overrides_the_defaults_under_any_name() -> None:
    """Names are resolved before tables are merged."""
    text = (
        "[defaults]\ncooldownPeriod = 300\n"
        + TARGET
        + QUEUES
        + "scale_down.stabilization_window_seconds = 30"
    )
    assert only_target(text).scale_down.stabilization_window_seconds == 30.0


def test_a_whole_number_will_do_for_a_number() -> None:
    """It becomes a float, so that settings compare equal however they were written."""
    interval = parse(
        "[controller]\npoll_interval_seconds = 2\n" + TARGET + QUEUES
    ).controller.poll_interval_seconds
    assert isinstance(interval, float)
    assert interval == 2.0


def test_a_url_with_a_password_is_allowed_and_stays_out_of_the_settings_text() -> None:
    """It is not recommended, but a first try in a test cluster should not need a Secret."""
    whole = parse(TARGET + QUEUES + 'broker.url = "redis://:hunter2@h:6379/0"')
    assert whole.targets[0].broker.url == "redis://:hunter2@h:6379/0"
    assert "hunter2" not in repr(whole)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(any_settings())
def test_settings_survive_the_way_to_toml_and_back(drawn: Settings) -> None:
    """Whatever the declarations allow can be written down and is read as it was meant."""
    assert parse(toml_of(drawn)) == drawn


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(any_settings(), st.data())
def test_settings_are_the_same_under_any_names(drawn: Settings, data: st.DataObject) -> None:
    """Each key under one of its names, drawn anew each time that it occurs."""

    def spell(key: Key) -> str:
        return data.draw(st.sampled_from((key.name, *key.aliases)))

    assert parse(toml_of(drawn, spell)) == drawn
