"""The benchmark's own logic: who works when, what is compared, what a floor says."""

from io import StringIO

import pytest
from rich.console import Console

from bench.contest import HERE, QEMU, AtLeast, Below, Contest, Figures, Quantity
from bench.report import show


def printed(contest: Contest) -> list[list[str]]:
    """Run a contest and return the words of the lines of its table, without title and heading."""
    out = StringIO()
    show(contest, contest.run(), Console(file=out, width=120))
    return [line.split() for line in out.getvalue().splitlines()[2:]]


def test_contestants_alternate() -> None:
    """Every other round has the reverse order, and a contestant that is not installed sits out."""
    order: list[str] = []

    def work(name: str) -> Figures:
        order.append(name)
        return {}

    contestants = {HERE: lambda: work("a"), QEMU: None, "other": lambda: work("b")}
    Contest("", (), contestants, rounds=3).run()
    assert "".join(order) == "abbaab"


@pytest.mark.parametrize(
    ("ours", "more_is_better", "ratio", "verdict"),
    [
        (10, False, "2.00", "met"),
        (20, False, "1.00", "met"),
        (40, False, "0.50", "NOT MET"),
        (40, True, "2.00", "met"),
        (10, True, "0.50", "NOT MET"),
    ],
)
def test_ratios_say_how_many_times_as_fast_we_are(
    ours: float, more_is_better: bool, ratio: str, verdict: str
) -> None:
    """Twice the rate and half the time are both 2; the floor is met from its value on."""
    work = Quantity("work", "units", more_is_better, AtLeast(1))
    contest = Contest("title", (work,), {HERE: lambda: {"work": ours}, QEMU: lambda: {"work": 20}}, rounds=1)
    (line,) = printed(contest)
    assert line == ["work", "units", str(ours), "20", ratio, "x", "1", "x", "QEMU:", *verdict.split()]


def test_the_median_of_all_rounds_counts() -> None:
    """One slow round changes nothing; a limit is compared with the median."""
    figures = iter((1.0, 100.0, 2.0))
    quantity = Quantity("work", "s", floor=Below(2.5))
    (line,) = printed(Contest("title", (quantity,), {HERE: lambda: {"work": next(figures)}}, rounds=3))
    assert line == ["work", "s", "2", "below", "2.5:", "met"]


def test_a_missing_peer_is_said() -> None:
    """Without the peer there are our figures, and no ratio and no verdict."""
    work = Quantity("work", "pages/s", more_is_better=True, floor=AtLeast(2))
    (line,) = printed(Contest("title", (work,), {HERE: lambda: {"work": 123456}, QEMU: None}, rounds=1))
    assert line == ["work", "pages/s", "123,456", "not", "installed", "-", "2", "x", "QEMU:", "no", "peer"]


def test_a_figure_that_a_peer_cannot_have_is_a_dash() -> None:
    """A peer that does only some of the work is compared where it can be."""
    quantities = (Quantity("both", "s"), Quantity("ours", "s"))
    contestants = {HERE: lambda: {"both": 1, "ours": 1}, QEMU: lambda: {"both": 2}}
    both, ours = printed(Contest("title", quantities, contestants, rounds=1))
    assert both == ["both", "s", "1", "2", "2.00", "x"]
    assert ours == ["ours", "s", "1", "-", "-"]
