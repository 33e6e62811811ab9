"""A page that a driver uses though the host has it is judged once, until something becomes of it."""

import pytest

from devices.virtio.balloon import Balloon
from hv.cpu.watch import AccessKind
from tests.unit.monitor.bench import DEFLATE, INFLATE, Bench


def look_at_target(bench: Bench, pages: int) -> None:
    """The host sets a target, and the driver reads it."""
    assert isinstance(bench.device, Balloon)
    bench.device.set_target(pages)
    bench.interrupt()
    bench.cr(0)


@pytest.fixture
def bench() -> Bench:
    """A driver that has given away two pages, as the host wanted."""
    bench = Bench()
    bench.up()
    look_at_target(bench, 2)
    bench.send(INFLATE, bench.pfns(1, 2))
    bench.actual(2)
    return bench


def broken(bench: Bench) -> dict[str, int]:
    """Return how often each clause was broken."""
    return {breach.clause: breach.count for breach in bench.verdicts.breaches}


def test_the_count_is_that_of_pages_used(bench: Bench) -> None:
    """Each page counts once, however often and in whatever way it is accessed."""
    for page in (1, 2, 1):
        for kind in AccessKind:
            bench.use(page, kind)
    assert broken(bench) == {"C233": 2, "C235": 2}


def test_a_page_that_comes_back_is_judged_anew(bench: Bench) -> None:
    """What was said of it when it was in the balloon before says nothing of it now."""
    bench.use(1)
    bench.send(DEFLATE, bench.pfns(1))
    bench.use(1)
    assert broken(bench)["C235"] == 1
    bench.send(INFLATE, bench.pfns(1))
    bench.use(1)
    assert broken(bench)["C235"] == 2


def test_another_wish_of_the_host_is_judged_anew(bench: Bench) -> None:
    """C233 is about a balloon that has what the host wants; one that lacks a page breaks only C235."""
    look_at_target(bench, 3)
    bench.use(1)
    assert broken(bench) == {"C235": 1}
    look_at_target(bench, 2)
    bench.use(1)
    assert broken(bench) == {"C235": 2, "C233": 1}
