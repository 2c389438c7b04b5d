"""What a person sees while the demo runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoscaler.sandbox.demo.evidence import Summary

BAR_WIDTH = 40
PLAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Moment:
    """How things stand, `at` seconds after the first task was sent."""

    at: float
    phase: str
    queue: int
    wanted: int
    pods: int
    ready: int
    sent: int
    done: int
    decision: str


class Screen(Protocol):
    """Shows a demo."""

    def say(self, text: str) -> None:
        """Show what is being prepared."""
        ...

    def show(self, moment: Moment) -> None:
        """Show how things stand."""
        ...

    def close(self) -> None:
        """Leave what is shown as it is."""
        ...


class LiveScreen:
    """A table that is redrawn in place."""

    def __init__(self, console: Console, peak: int) -> None:
        self._console = console
        self._peak = peak
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Show what is being prepared."""
        self._console.print(text, style="dim", highlight=False)

    def show(self, moment: Moment) -> None:
        """Redraw."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self._drawn(moment), refresh=True)

    def close(self) -> None:
        """End the redrawing."""
        if self._live is not None:
            self._live.stop()

    def _drawn(self, moment: Moment) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        table.add_row("queue", str(moment.queue), _bar(moment.queue, BAR_WIDTH, "yellow"))
        table.add_row("wanted", str(moment.wanted), _bar(moment.wanted, self._peak, "cyan"))
        pods = f"{moment.ready} of {moment.pods}"
        table.add_row("ready", pods, _bar(moment.ready, self._peak, "green", beyond=moment.pods))
        table.add_row("done", f"{moment.done} of {moment.sent}", "")
        title = f"{moment.at:5.1f} s  {moment.phase}"
        return Panel(Group(table, Text(moment.decision)), title=title, title_align="left")


class PlainScreen:
    """A line at a new decision, and every two seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._at = -PLAIN_SECONDS
        self._decision = ""

    def say(self, text: str) -> None:
        """Print what is being prepared."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def show(self, moment: Moment) -> None:
        """Print what is new, and how things stand every two seconds."""
        if moment.decision != self._decision:
            self._decision = moment.decision
            self.say(f"{moment.at:6.1f} s  {moment.decision}")
        if moment.at - self._at >= PLAIN_SECONDS:
            self._at = moment.at
            self.say(
                f"{moment.at:6.1f} s  {moment.phase}: queue {moment.queue}, wanted {moment.wanted}, "
                f"ready {moment.ready} of {moment.pods}, done {moment.done} of {moment.sent}"
            )

    def close(self) -> None:
        """Nothing is left to do."""


def screen(console: Console, peak: int) -> Screen:
    """Return the screen that fits a console: live on a terminal, plain elsewhere."""
    return LiveScreen(console, peak) if console.is_terminal else PlainScreen(console)


def summary_table(summary: Summary) -> RenderableType:
    """Return what came of it, for people."""
    table = Table(title="A day in a minute", title_justify="left", show_header=False)
    saved = 1 - summary.worker_seconds / summary.static_worker_seconds
    rows = [
        ("tasks", f"{summary.sent} sent, {summary.done} done"),
        ("lost / run twice", f"{summary.lost} / {summary.duplicated}"),
        ("workers killed", str(summary.killed)),
        ("wait", f"median {summary.wait_p50_seconds:.1f} s, p95 {summary.wait_p95_seconds:.1f} s"),
        ("replicas", f"peak {summary.peak_replicas}, at the end {summary.final_replicas}"),
        ("reaction to a burst", f"{summary.reaction_seconds:.2f} s"),
        (
            "worker-seconds",
            f"{summary.worker_seconds:.0f}; a static fleet of the peak size "
            f"{summary.static_worker_seconds:.0f} ({saved:.0%} saved)",
        ),
    ]
    for row in rows:
        table.add_row(*row)
    changes = Table(title="Every change of replicas", title_justify="left")
    for heading in ("second", "from", "to", "reason"):
        changes.add_column(heading, justify="left" if heading == "reason" else "right")
    for patch in summary.patches:
        changes.add_row(f"{patch.at:.1f}", str(patch.before), str(patch.after), patch.reason)
    return Group(table, changes)


def _bar(value: int, width: int, colour: str, beyond: int = 0) -> Text:
    full = "█" * min(value, width)
    rest = "░" * max(0, min(beyond, width) - len(full))
    return Text.assemble((full, colour), (rest, f"dim {colour}"))
