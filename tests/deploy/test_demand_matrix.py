"""The table of docs/demand.md: how a line of it is judged and written."""

import pytest

from scripts.demand_matrix import BEGIN, END, PAGE, Line, row, written
from scripts.matrix.scene import Counts, Report
from scripts.matrix.setups import SETUPS

UNKNOWN = Counts(None, None, None, None, None)
TRUTH = Counts(3, 2, 1, 4)


def line(counts: Counts, slots: int | None, ready_at_most: int | None = None) -> Line:
    """Return a line for a report beside the truth."""
    return Line(SETUPS[0], TRUTH, Report(counts, slots, ready_at_most, ()), 3, 0, 1)


@pytest.mark.parametrize(
    ("counts", "slots", "good"),
    [
        (TRUTH, 6, True),
        (TRUTH, 5, False),
        (Counts(3, 2, 1, 0), 6, False),
        (Counts(3, None, None, 4), 3, True),
        (Counts(None, 2, 1, None), 10, True),
        (Counts(None, 2, 1, None), 11, False),
        (UNKNOWN, None, True),
    ],
)
def test_a_line_is_good_when_it_is_true_or_unknown(counts: Counts, slots: int | None, good: bool) -> None:
    """And the slots wanted are the load, or no more than it and what may not be due."""
    assert line(counts, slots).good is good


def test_how_a_line_looks() -> None:
    """Unknown numbers are question marks, and a ready one that may be less says so."""
    assert row(line(UNKNOWN, None)).startswith(
        "| Redis | no worker | 3, 2, 1, 4 | ?, ?, ?, ? | ? | 3 | 0 / 1 polls |"
    )
    assert "| ≤7, 2, 1, ? |" in row(line(Counts(None, 2, 1, None), 10, 7))
    assert "3, 2, 2, 4 **WRONG**" in row(line(Counts(3, 2, 2, 4), 7))


def test_the_page_has_a_line_for_each_set_up_and_no_wrong_one() -> None:
    """So that a set-up that is added is also run."""
    page = PAGE.read_text()
    table = page.partition(BEGIN)[2].partition(END)[0]
    assert [part.split(" | ")[1] for part in table.splitlines() if part.startswith("| R")] == [
        setup.name for setup in SETUPS
    ]
    assert "WRONG" not in table
    assert written(page, table.strip("\n")) == page
