"""Run the soak and print what came of it: `python -m benchmarks.soak`.

Exit status 0 says that the daemon did no damage, however often it was killed, and that the naive
autoscaler did, so that the soak can tell. The phases that compare costs have a longer window, and a
grace period in which the naive one loses nothing but what was on its way to a worker.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from benchmarks.soak.fleet import TARGETS
from benchmarks.soak.phases import Load, Outcome, drained, killed, naive
from benchmarks.stage.fleet import Manner

DRAINED_SECONDS, SHORT_SECONDS, KILLED_SECONDS = 560.0, 100.0, 390.0
COST_WINDOW_SECONDS, COST_GRACE_SECONDS = 8.0, 60
KILLS = 100
PATIENT = Manner(COST_WINDOW_SECONDS, grace_seconds=COST_GRACE_SECONDS)
"""What it costs is compared where nobody loses a task: the naive one relies on the grace period then."""


def main() -> int:
    """Run the phases that are asked for, and return the exit status."""
    arguments = _arguments()
    console = Console(stderr=True)
    load = Load(TARGETS, arguments.scale * DRAINED_SECONDS, arguments.seed, 60.0)
    short = Load(TARGETS, arguments.scale * SHORT_SECONDS, arguments.seed, 20.0)
    harried = Load(TARGETS, arguments.scale * KILLED_SECONDS, arguments.seed + 1, 60.0)
    phases = {
        "naive": lambda: naive(short),
        "cost-naive": lambda: naive(short, PATIENT),
        "cost-placed": lambda: drained(short, PATIENT, provoking=False),
        "cost-unplaced": lambda: drained(short, replace(PATIENT, placement=False), provoking=False),
        "drained": lambda: drained(load),
        "killed": lambda: killed(harried, round(arguments.scale * KILLS)),
    }
    console.print(f"seed {arguments.seed}")
    outcomes: dict[str, Outcome] = {}
    for name in arguments.phases or phases:
        began = time.monotonic()
        outcomes[name] = phases[name]()
        outcome = outcomes[name]
        console.print(f"{name}: {time.monotonic() - began:.0f} s, good: {outcome.good}, {outcome.tally}")
        console.print(f"  {outcome.killed} {outcome.stuck} {outcome.remembered}")
    if arguments.json:
        print(json.dumps({"seed": arguments.seed} | {n: o.as_json() for n, o in outcomes.items()}, indent=2))
    else:
        Console(width=140).print(_table(outcomes))
    judged = {name: outcome for name, outcome in outcomes.items() if name != "cost-naive"}
    return 0 if all(outcome.good != (name == "naive") for name, outcome in judged.items()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full length")
    parser.add_argument("--json", action="store_true", help="print an object and nothing else")
    parser.add_argument(
        "phases",
        nargs="*",
        help="naive, cost-naive, cost-placed, cost-unplaced, drained, killed; all by default",
    )
    return parser.parse_args()


def _table(outcomes: dict[str, Outcome]) -> Table:
    table = Table(
        "phase",
        "tasks",
        "lost",
        "run twice",
        "cut short",
        "handed on unrun",
        "workers killed",
        "scale-ins",
        "workers removed",
        "cordons",
        "sent after",
        "daemon kills",
        "stuck",
        "worker-seconds",
        "wait p95",
    )
    for name, outcome in outcomes.items():
        tally = outcome.tally
        cells = (
            *(tally.sent, tally.lost, tally.doubled, tally.cut, tally.handed_on, len(outcome.killed)),
            *(
                outcome.scale_ins,
                outcome.workers_removed,
                outcome.cordons,
                outcome.sent_after_cordons,
                outcome.daemon_kills,
            ),
            *(len(outcome.stuck), outcome.worker_seconds, tally.wait_p95_seconds),
        )
        table.add_row(name, *map(str, cells))
    return table


if __name__ == "__main__":
    sys.exit(main())
