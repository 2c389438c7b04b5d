"""The demo as a command: what goes to the terminal, and what to a program that reads it."""

from __future__ import annotations

import signal

from rich.console import Console

from autoscaler.sandbox.demo.run import MAX_REPLICAS, demo
from autoscaler.sandbox.demo.screen import screen, summary_table


def demonstrate(*, as_json: bool, seed: int) -> bool:
    """Run the demo and return whether every task ran once and nothing is left.

    With `as_json` standard output holds the summary as one JSON object and nothing else; progress goes
    to standard error. SIGTERM ends it as Ctrl-C does, by KeyboardInterrupt, with nothing left behind.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=as_json)
    summary = demo(screen(console, MAX_REPLICAS), seed)
    if as_json:
        print(summary.as_json())  # noqa: T201  # the output of the command
    else:
        console.print(summary_table(summary))
    return summary.good
