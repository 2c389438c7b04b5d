# ruff: noqa: E501 - problems are one line each
"""What is said of a file that cannot be used: all of it at once, and nothing that only follows."""

from __future__ import annotations

import pickle

import pytest

from autoscaler.config.parse import ConfigInvalid, Problem, parse
from tests.config.faults import FAULTS, HEAD, LABEL, POLICY, TARGET


def invalid(text: str) -> ConfigInvalid:
    """Return what is raised for a text."""
    with pytest.raises(ConfigInvalid) as raised:
        parse(text, "config.toml")
    return raised.value


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_is_one_problem_with_its_key_its_value_and_the_rule(name: str) -> None:
    """Nothing else is said: no second problem that only follows from the first."""
    text, key, value, rule = FAULTS[name]
    problems = invalid(text).problems
    assert [(problem.key, problem.value, problem.rule) for problem in problems] == [(key, value, rule)]


def test_ten_faults_are_ten_problems() -> None:
    """Whoever mends a file sees all that is wrong with it, in the order of its parts."""
    text = """
        [controller]
        pollInterval = "fast"
        verbose = true
        [defaults]
        tolerance = 2
        [[targets]]
        namespace = "data"
        name = "airflow-worker"
        queues = ["default", "default"]
        min_replicas = 20
        [targets.scale_up]
        policies = [{ type = "Pods", value = 0, period_seconds = 60 }]
        [[targets]]
        namespace = "Shop"
        name = "celery"
        [targets.broker]
        url_env = "A"
        url_file = "/a"
        [[targets]]
        namespace = "data"
        name = "airflow-worker"
        queues = []
    """
    assert str(invalid(text)).splitlines() == [
        'config.toml: controller.pollInterval = "fast": must be a number, not text',
        "config.toml: controller.verbose: unknown key",
        "config.toml: defaults.tolerance = 2: must be at most 1",
        'config.toml: targets[0].queues (data/airflow-worker) = ["default", "default"]: must name each queue once, and close each [ of a glob',
        "config.toml: targets[0].scale_up.policies[0].value (data/airflow-worker) = 0: must be at least 1",
        "config.toml: targets[0].min_replicas (data/airflow-worker) = 20: must not be greater than max_replicas, which is 10 by default",
        f'config.toml: targets[1].namespace = "Shop": {LABEL}',
        "config.toml: targets[1].broker: names url_env and url_file: give at most one source of the URL",
        "config.toml: targets[1].queues: is required, here or in [defaults]",
        "config.toml: targets[2].queues (data/airflow-worker) = []: must not be empty",
        'config.toml: targets[2].name (data/airflow-worker) = "airflow-worker": is the same target as targets[0]',
    ]


def test_a_fault_of_the_defaults_is_reported_once_whatever_the_number_of_targets() -> None:
    """The second target inherits it just as the first does."""
    second = TARGET.replace("worker", "other")
    by_itself = invalid("[defaults]\nmax_replicas = -1\n" + TARGET + second)
    between_keys = invalid("[defaults]\nmin_replicas = 11\n" + TARGET + second)
    assert [problem.key for problem in by_itself.problems] == ["defaults.max_replicas"]
    assert [problem.key for problem in between_keys.problems] == ["defaults.min_replicas"]


def test_a_target_may_mend_what_does_not_fit_in_the_defaults() -> None:
    """What matters is the target that comes of it."""
    assert (
        parse("[defaults]\nmin_replicas = 11\n" + TARGET + "max_replicas = 20").targets[0].min_replicas == 11
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TARGET + 'min_replicas = 20\nmax_replicas = "30"', "targets[0].max_replicas"),
        ('[defaults]\nmax_replicas = "30"\n' + TARGET + "min_replicas = 20", "defaults.max_replicas"),
        (TARGET + "min_replicas = 20\nmax_replica = 30", "targets[0].max_replica"),
        (HEAD + 'quues = ["a"]', "targets[0].quues"),
        (HEAD + 'queues = "a"', "targets[0].queues"),
        ("[[target]]", "target"),
        ("[targets]", "targets"),
        (TARGET + f'scale_up = {{ select_policy = "off", {POLICY} }}', "targets[0].scale_up.select_policy"),
        (TARGET + "min_replicas = 20\nmax_replicas = 3\nmaxReplicas = 30", "targets[0].maxReplicas"),
        (TARGET + "scale_down = 5\ncooldownPeriod = 5", "targets[0].scale_down"),
    ],
)
def test_what_only_follows_from_a_fault_is_not_reported(text: str, key: str) -> None:
    """A key that is misspelt or of the wrong type is not missing as well."""
    assert [problem.key for problem in invalid(text).problems] == [key]


def test_a_target_is_named_when_both_parts_of_its_name_are_valid() -> None:
    """The number in the path is hard to find in a file of a hundred targets."""
    named, unnamed = TARGET + "zzz = 1\n", '[[targets]]\nnamespace = "d"\nname = 5\nqueues = ["a"]\nzzz = 1'
    problems = invalid(named + unnamed).problems
    assert [(problem.key, problem.target) for problem in problems] == [
        ("targets[0].zzz", "data/worker"),
        ("targets[1].name", ""),
        ("targets[1].zzz", ""),
    ]


def test_a_problem_is_one_line_of_text() -> None:
    """With its value where there is one, and its target where that is known."""
    assert str(Problem("a.b", "3", "must be at most 2")) == "a.b = 3: must be at most 2"
    assert str(Problem("a.b", "", "is required", "data/worker")) == "a.b (data/worker): is required"


def test_what_is_raised_survives_being_pickled() -> None:
    """So it may cross to another process."""
    error = invalid("a = 1")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled in this very line
    assert (copy.problems, copy.origin, str(copy)) == (error.problems, error.origin, str(error))


def test_long_values_and_keys_are_shortened() -> None:
    """A problem is read in a terminal."""
    (problem,) = invalid(f"{HEAD}queues = [{', '.join(['5'] * 1000)}]").problems[:1]
    assert problem.value == "5"
    (problem,) = invalid(f'{TARGET}max_replicas = "{"x" * 1000}"').problems
    assert len(problem.value) < 70
    (problem,) = invalid(f"{TARGET}{'x' * 1000} = 1").problems
    assert len(problem.key) < 90
