"""What a pod template tells."""

import pytest

from autoscaler.cluster.kinds import (
    Container,
    EnvFrom,
    EnvSource,
    EnvVar,
    KeyRef,
    NameRef,
    PodSpec,
    PodTemplate,
)
from autoscaler.cluster.template import (
    Environment,
    NotInTemplate,
    declared_slots,
    secrets_of,
    worker_container,
)

SECRETS = {"broker": {"connection": "redis://:pw@host/0", "PASSWORD": "pw"}, "other": {"URL": "u"}}


def plain(**values: str) -> tuple[EnvVar, ...]:
    """Return environment variables with literal values."""
    return tuple(EnvVar(name=name, value=value) for name, value in values.items())


def secret(name: str, key: str, *, of: str = "broker", optional: bool = False) -> EnvVar:
    """Return an environment variable from a Secret."""
    ref = KeyRef(name=of, key=key, optional=optional)
    return EnvVar(name=name, value_from=EnvSource(secret_key_ref=ref))


def lookup(container: Container, name: str) -> str | None:
    """Look a variable up with the Secrets above."""
    return Environment(container, SECRETS.__getitem__).value(name)


def test_a_value_a_secret_and_nothing():
    """The three plain cases."""
    container = Container(env=(*plain(A="1"), secret("B", "connection")))
    assert lookup(container, "A") == "1"
    assert lookup(container, "B") == "redis://:pw@host/0"
    assert lookup(container, "C") is None


def test_references_are_replaced_as_the_kubelet_does():
    """What stands before is put in, what stands after or nowhere is left as it is, $$ escapes."""
    container = Container(
        env=(
            secret("PASSWORD", "PASSWORD"),
            *plain(URL="redis://:$(PASSWORD)@$(HOST)/0", HOST="h", ESC="$$(HOST)", PAIR="$(HOST)$$5"),
        )
    )
    assert lookup(container, "URL") == "redis://:pw@$(HOST)/0"
    assert lookup(container, "ESC") == "$(HOST)"
    assert lookup(container, "PAIR") == "h$5"


def test_a_variable_may_refer_to_an_earlier_one_of_its_own_name():
    """Later entries win, and see the earlier ones."""
    container = Container(env=(EnvVar(name="A", value="x"), EnvVar(name="A", value="$(A)y")))
    assert lookup(container, "A") == "xy"


def test_env_goes_before_env_from_and_later_sources_before_earlier():
    """As the kubelet does."""
    sources = (
        EnvFrom(secret_ref=NameRef(name="broker")),
        EnvFrom(config_map_ref=NameRef(name="ignored")),
        EnvFrom(prefix="X_", secret_ref=NameRef(name="other")),
    )
    container = Container(env=plain(PASSWORD="over"), env_from=sources)
    assert lookup(container, "PASSWORD") == "over"
    assert lookup(container, "connection") == "redis://:pw@host/0"
    assert lookup(container, "X_URL") == "u"
    assert lookup(container, "URL") is None


def test_what_is_not_read_is_said():
    """A ConfigMap's value is not looked for, and a missing key has a name."""
    reference = EnvSource(config_map_key_ref=KeyRef(name="c", key="k"))
    container = Container(env=(EnvVar(name="A", value_from=reference), secret("B", "nope")))
    with pytest.raises(NotInTemplate, match="A is set from something other than a value or a Secret"):
        lookup(container, "A")
    with pytest.raises(NotInTemplate, match="B is set from key nope of Secret broker"):
        lookup(container, "B")
    assert lookup(Container(env=(secret("B", "nope", optional=True),)), "B") is None


def test_only_needed_secrets_are_named():
    """The rights that are asked for are those for the variables that matter."""
    container = Container(
        env=(secret("PASSWORD", "PASSWORD"), *plain(URL="redis://:$(PASSWORD)@h"), secret("Z", "z", of="z"))
    )
    assert secrets_of(container, ("URL",)) == ("broker",)
    assert secrets_of(container, ("NONE",)) == ()


def test_the_container_is_the_named_one_or_the_first():
    """A sidecar may come first."""
    template = PodTemplate(spec=PodSpec(containers=(Container(name="proxy"), Container(name="worker"))))
    assert worker_container(template, None).name == "proxy"
    assert worker_container(template, "worker").name == "worker"
    with pytest.raises(NotInTemplate, match="a container named beat"):
        worker_container(template, "beat")
    with pytest.raises(NotInTemplate, match="any container"):
        worker_container(PodTemplate(), None)


@pytest.mark.parametrize(
    ("command", "args", "env", "slots"),
    [
        (("celery", "-A", "app", "worker", "-c", "4"), (), {}, 4),
        (("celery", "-A", "app", "worker", "-c4"), (), {}, 4),
        (("celery", "-A", "app", "worker"), ("--concurrency=8",), {}, 8),
        (("celery", "-A", "app", "worker"), ("--concurrency", "8"), {}, 8),
        (("celery", "worker", "--autoscale=6,1", "-c", "2"), (), {}, 6),
        (("celery", "worker", "--autoscale", "6"), (), {}, 6),
        (("bash", "-c", "exec celery -A app worker -c 3"), (), {}, 3),
        (("bash",), ("-c", "exec airflow celery worker"), {"AIRFLOW__CELERY__WORKER_CONCURRENCY": "16"}, 16),
        (("celery", "worker", "-c", "$(N)"), (), {"N": "5"}, 5),
        (("airflow", "celery", "worker"), (), {"AIRFLOW__CELERY__WORKER_AUTOSCALE": "9,3"}, 9),
        (("celery", "worker"), (), {"CELERYD_CONCURRENCY": "2"}, 2),
        (("celery", "worker", "-c", "2"), (), {"AIRFLOW__CELERY__WORKER_CONCURRENCY": "16"}, 2),
        (("celery", "worker"), (), {}, None),
        (("celery", "-c", "conf"), (), {}, None),
        (("celery", "worker", "-c", "0"), (), {}, None),
        (("celery", "worker", "-c", "many"), (), {}, None),
        (("celery", "worker", "-c"), (), {}, None),
        (("sh", "-c", "celery worker -c 4 'unclosed"), (), {}, 4),
        ((), (), {}, None),
    ],
)
def test_declared_slots(command, args, env, slots):
    """The worker's own options, then its environment; a shell's script is looked into."""
    container = Container(name="worker", command=command, args=args, env=plain(**env))
    declared = declared_slots(container)
    assert (declared and declared[0]) == slots
    assert declared is None or declared[1].endswith("of container worker")


def test_slots_from_a_secret_are_not_read():
    """No Secret is read for a number that the workers tell themselves."""
    container = Container(env=(secret("AIRFLOW__CELERY__WORKER_CONCURRENCY", "PASSWORD"),))
    assert declared_slots(container) is None
