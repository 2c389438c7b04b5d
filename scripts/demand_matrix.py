"""How many tasks there truly are, beside what is reported, and what the length of a queue alone says.

    python -m scripts.demand_matrix [--only TEXT] [--write]

Runs every set-up of the matrix on real brokers with real workers, ten minutes in all, and prints a
table; `--write` puts it into docs/demand.md. Exit status 1 when a number that is reported is wrong
once everything is still: it has to be the truth, or be called unknown.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from autoscaler.sandbox.rabbitmq_server import RabbitServer
from scripts.matrix.scene import LONGEST_POLLS, POLL_SECONDS, STILL_POLLS, Broker, Counts, Report, Scene
from scripts.matrix.setups import SETUPS, SetUp, rabbit_broker, redis_broker

PAGE = Path(__file__).parents[1] / "docs" / "demand.md"
BEGIN, END = "<!-- the matrix begins -->", "<!-- the matrix ends -->"
HEAD = (
    "| broker | set-up | true: ready, reserved, running, not due | reported | slots wanted | queue length "
    "| slots / all exact after | |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A set-up as it came out.

    `slots_polls` and `polls` count from the last change of the truth until the slots wanted, and all
    that is reported, were what they are now.
    """

    setup: SetUp
    truth: Counts
    report: Report
    naive: int | None
    slots_polls: int
    polls: int

    @property
    def good(self) -> bool:
        """Whether all that is reported is true, or is said to be unknown."""
        told, true = astuple(self.report.counts), astuple(self.truth)
        if any(one not in (None, other) for one, other in zip(told, true, strict=True)):
            return False
        load = sum(true[:3])
        slots: int = self.report.slots or 0
        return bool(slots <= load + true[3] if None in told else slots == load)


@contextmanager
def broker_of(setup: SetUp, rabbit: RabbitServer | None, number: int) -> Iterator[Broker]:
    """Have a fresh broker for a set-up."""
    with ExitStack() as stack:
        if setup.kind.startswith("redis"):
            yield stack.enter_context(redis_broker("app:" if "prefix" in setup.kind else ""))
        else:
            assert rabbit is not None  # noqa: S101  # started for these
            yield stack.enter_context(rabbit_broker(rabbit, f"matrix-{number}", setup.kind))


def play(setup: SetUp, broker: Broker) -> Line:
    """Bring a set-up about and look at it until it is still."""
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder, ExitStack() as stack:
        scene = Scene(broker, setup.queues, Path(folder), stack)
        setup.play(scene)
        seen: list[tuple[Counts, Report]] = []
        for _ in range(LONGEST_POLLS):
            began = time.monotonic()
            seen.append((scene.truth(), scene.report()))
            if _still(seen):
                break
            time.sleep(max(0.0, began + POLL_SECONDS - time.monotonic()))
        truth, report = seen[-1]
        changed = max((n for n, (true, _) in enumerate(seen) if true != truth), default=-1)
        late = max((n for n, (_, told) in enumerate(seen) if told.counts != report.counts), default=-1)
        wrong = max((n for n, (_, told) in enumerate(seen) if told.slots != report.slots), default=-1)
        return Line(setup, truth, report, scene.naive(), max(0, wrong - changed), max(0, late - changed))


def _still(seen: list[tuple[Counts, Report]]) -> bool:
    last = seen[-2 * STILL_POLLS :]
    return len(last) == 2 * STILL_POLLS and len({(truth, told.counts) for truth, told in last}) == 1


def _text(counts: Counts, ready_at_most: int | None = None) -> str:
    ready = "?" if ready_at_most is None else f"≤{ready_at_most}"
    numbers = (counts.reserved, counts.active, counts.eta)
    left = f" ({counts.left} left behind)" if counts.left else ""
    told = [ready if counts.ready is None else str(counts.ready)]
    told += ["?" if number is None else str(number) for number in numbers]
    return ", ".join(told) + left


def row(line: Line) -> str:
    """Return a line of the table."""
    broker = {"classic": "RabbitMQ, classic", "quorum": "RabbitMQ, quorum"}.get(line.setup.kind, "Redis")
    cells = (
        broker,
        line.setup.name,
        _text(line.truth),
        _text(line.report.counts, line.report.ready_at_most) + ("" if line.good else " **WRONG**"),
        "?" if line.report.slots is None else str(line.report.slots),
        "no answer" if line.naive is None else str(line.naive),
        f"{line.slots_polls} / {line.polls} polls",
        line.setup.remark,
    )
    return f"| {' | '.join(cells)} |"


def written(page: str, table: str) -> str:
    """Return a page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> int:
    """Run the matrix."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="set-ups whose broker and name hold this text")
    parser.add_argument("--write", action="store_true", help="put the table into docs/demand.md")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that workers and brokers end as well
    chosen = [setup for setup in SETUPS if wanted.only in f"{setup.kind} {setup.name}"]
    lines: list[Line] = []
    print(HEAD, flush=True)
    with ExitStack() as stack:
        rabbit = None
        if any(not setup.kind.startswith("redis") for setup in chosen):
            rabbit = stack.enter_context(RabbitServer(statistics_seconds=1.0))
        for number, setup in enumerate(chosen):
            with broker_of(setup, rabbit, number) as broker:
                lines.append(play(setup, broker))
            print(row(lines[-1]), flush=True)
            if not lines[-1].good:
                print(f"reported: {lines[-1].report}", file=sys.stderr)
    if wanted.write:
        PAGE.write_text(written(PAGE.read_text(), "\n".join([HEAD, *map(row, lines)])))
    return 0 if all(line.good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
