from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autoscaler.breaker import Breaker, Circuit, State


def test_pauses_double_up_to_half_a_minute() -> None:
    """One failure is enough to leave a server alone, each further one doubles the pause."""
    at, breaker, pauses = 0.0, Breaker(), []
    for _ in range(8):
        assert breaker.admits(at)
        breaker = breaker.tried().failed(at)
        assert not breaker.admits(at)
        pauses.append(breaker.wait_seconds(at))
        at += breaker.wait_seconds(at)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_after_the_pause_there_is_one_trial() -> None:
    """While the trial is under way nobody else may try, and its success closes the breaker."""
    breaker = Breaker().failed(10.0)
    assert not breaker.admits(10.9)
    assert breaker.admits(11.0)
    trial = breaker.tried()
    assert (trial.state, trial.admits(99.0)) == (State.HALF_OPEN, False)
    assert trial.succeeded() == Breaker()


def test_while_it_works_any_number_of_tries_is_admitted() -> None:
    """A closed breaker stays as it is."""
    assert Breaker().tried() == Breaker()
    assert Breaker().tried().admits(0.0)


def test_tries_of_one_server_that_began_together_fail_as_one() -> None:
    """Many readers may be waiting for it when it begins to hang."""
    circuit = Circuit()
    assert [circuit.admit(0.0) for _ in range(16)] == [True] * 16
    for _ in range(16):
        circuit.failed(1.0, "did not answer within 1 s")
    assert not circuit.admit(1.5)
    assert circuit.refusal(1.0) == "did not answer within 1 s; next try in 1 s"


def test_a_circuit_lets_one_of_many_try_again() -> None:
    """The others are told, and all are let in when it has succeeded."""
    circuit = Circuit()
    circuit.failed(0.0, "refused the connection")
    assert [circuit.admit(1.0) for _ in range(3)] == [True, False, False]
    assert circuit.refusal(1.0) == "refused the connection; another try is under way"
    circuit.succeeded()
    assert [circuit.admit(1.0) for _ in range(3)] == [True, True, True]


class BreakerMachine(RuleBasedStateMachine):
    """A server tried at arbitrary times, against a plain account of its failures in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0
        self.failures = 0
        self.failed_at = 0.0
        self.trying = False

    @property
    def pause(self) -> float:
        """The pause that the failures in a row ask for."""
        return 0.0 if not self.failures else float(min(2 ** (self.failures - 1), 30))

    @rule(eighths=st.integers(0, 480))
    def time_passes(self, eighths: int) -> None:
        """Let up to a minute pass, in steps that floats can hold exactly."""
        self.now += eighths / 8

    @precondition(lambda self: not self.trying)
    @rule()
    def somebody_tries(self) -> None:
        """Try when it is admitted, which it is exactly when the pause is over."""
        due = self.now >= self.failed_at + self.pause
        assert self.breaker.admits(self.now) == due
        if due:
            self.breaker = self.breaker.tried()
            self.trying = True

    @precondition(lambda self: self.trying)
    @rule()
    def it_fails(self) -> None:
        """Learn that the try has failed."""
        self.breaker = self.breaker.failed(self.now)
        self.failures, self.failed_at, self.trying = self.failures + 1, self.now, False

    @precondition(lambda self: self.trying)
    @rule()
    def it_succeeds(self) -> None:
        """Learn that the try has succeeded."""
        self.breaker = self.breaker.succeeded()
        self.failures, self.trying = 0, False

    @invariant()
    def it_is_closed_exactly_without_failures(self) -> None:
        """Find the state that follows from the failures in a row and from whether somebody tries."""
        if not self.failures:
            assert self.breaker.state is State.CLOSED
        else:
            assert self.breaker.state is (State.HALF_OPEN if self.trying else State.OPEN)

    @invariant()
    def one_trial_at_a_time(self) -> None:
        """Nobody is let in beside a trial."""
        if self.failures and self.trying:
            assert not self.breaker.admits(self.now + 1000)

    @invariant()
    def the_wait_ends_with_the_pause(self) -> None:
        """After waiting for as long as it says, a server may be tried."""
        if not self.trying:
            wait = self.breaker.wait_seconds(self.now)
            assert 0 <= wait <= 30
            assert self.breaker.admits(self.now + wait)
            assert wait == 0 or not self.breaker.admits(self.now + wait - 1 / 8)


TestBreakerMachine = BreakerMachine.TestCase
