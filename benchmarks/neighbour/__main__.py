"""Play ten minutes of load beside a CPU autoscaler: `python -m benchmarks.neighbour --mode floor`.

Exit status 0 says that the two got along; with `--mode none`, in which the daemon is not told of the
autoscaler, that they did not, so that the play can tell.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter

from rich.console import Console
from rich.table import Table

from benchmarks.neighbour.play import MODES, OWN_MAX, OWN_MIN, Outcome, Play, play


def main() -> int:
    """Play, print what came of it, and return the exit status."""
    arguments = _arguments()
    Console(stderr=True).print(f"seed {arguments.seed}, {arguments.minutes:g} minutes and what they leave")
    outcome = play(Play(arguments.mode, arguments.minutes, arguments.seed))
    if arguments.json:
        print(json.dumps({"seed": arguments.seed} | outcome.as_json(), indent=2))
    else:
        _report(Console(width=110), outcome)
    return 0 if outcome.good != (outcome.mode == "none") else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour", description=__doc__)
    parser.add_argument("--mode", choices=MODES, default="floor", help="what the daemon is told (floor)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load lasts (10)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--json", action="store_true", help="print an object and nothing else")
    return parser.parse_args()


def _report(console: Console, outcome: Outcome) -> None:
    answers = {reversal.answer for reversal in outcome.reversed_soon}
    changes = Table("second", "field", "from", "to", "by", "undoes another's")
    for change in sorted((*outcome.changes, *outcome.bounds), key=lambda change: change.at):
        against = "yes" if change in answers else ""
        cells = (f"{change.at:.1f}", change.field, change.before, change.after, change.manager, against)
        changes.add_row(*map(str, cells))
    console.print(changes)
    by_manager = Counter(change.manager for change in outcome.changes)
    tally = outcome.tally
    for what, value in (
        ("mode", outcome.mode),
        ("changes of the replicas", dict(by_manager)),
        ("reversed within a minute by the other", len(outcome.reversed_soon)),
        ("zero reached, left", f"{outcome.zero_reached}, {outcome.zero_left}"),
        ("changes of the autoscaler's bounds", len(outcome.bounds)),
        (f"the user's own {OWN_MIN} and {OWN_MAX} restored", outcome.restored),
        ("tasks sent, done", f"{tally.sent}, {tally.done}"),
        ("tasks lost, run twice, cut short", f"{tally.lost}, {tally.doubled}, {tally.cut}"),
        ("workers killed", len(outcome.killed)),
        ("worker-seconds, wait p95", f"{outcome.worker_seconds}, {tally.wait_p95_seconds} s"),
        ("good", outcome.good),
    ):
        console.print(f"{what}: {value}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
