"""Drivers of a balloon that speak of free pages, and of what is in pages: hints, reports, poison."""

from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_BALLOON_F_REPORTING,
)
from hv.conformance.dut import RAM_BASE
from hv.conformance.ring import Buffer
from hv.cpu.watch import AccessKind
from tests.unit.monitor.bench import (
    DEFLATE,
    HINT,
    INFLATE,
    OK,
    PAGE,
    REPORT,
    Bench,
    breaks,
    keeps,
    legacy,
)

_HINT, _POISON = VIRTIO_BALLOON_F_FREE_PAGE_HINT, VIRTIO_BALLOON_F_PAGE_POISON
_REPORTING = VIRTIO_BALLOON_F_REPORTING
_LATE = 130_000_000_000
_AA = 0xAAAA_AAAA


def _balloon(b: Bench) -> Balloon:
    assert isinstance(b.device, Balloon)
    return b.device


# Hints.


def _command(b: Bench, number: int) -> Buffer:
    return b.put(number.to_bytes(4, "little"))


def _page(page: int, pages: int = 1) -> Buffer:
    return Buffer(RAM_BASE + page * PAGE, pages * PAGE, True)


def _asked(b: Bench) -> int:
    """The host asks for hints, and the driver looks."""
    _balloon(b).start_hinting()
    b.interrupt()
    return b.cr(8)


@keeps("C260", "C261", "C262", "C263", "C264", "C265", "C266", "C267", "C268")
def hints_a_round(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b)))
    b.send(HINT, _page(9))
    b.send(HINT, _command(b, 0))
    b.use(9)
    _balloon(b).finish_hinting()
    b.interrupt()
    assert b.cr(8) == 1


@keeps("C276", make=legacy)
def hints_of_old(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b)))
    b.send(HINT, _page(9))
    b.send(HINT, _command(b, 0))


@breaks("C260")
def sends_half_a_command(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, b.put(b"\2\0"))


@breaks("C261")
def hints_without_a_command(b: Bench) -> None:
    b.up(_HINT)
    _asked(b)
    b.send(HINT, _page(9))


@breaks("C262")
def sends_a_command_twice(b: Bench) -> None:
    b.up(_HINT)
    number = _asked(b)
    b.send(HINT, _command(b, number))
    b.send(HINT, _command(b, number))
    b.send(HINT, _page(9))
    b.send(HINT, _command(b, 0))


@breaks("C263")
def hints_nothing(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b)))
    b.send(HINT, _command(b, 0))
    b.wait(_LATE)


@breaks("C264")
def does_not_stop(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b)))
    b.send(HINT, _page(9))
    _balloon(b).stop_hinting()
    b.interrupt()
    b.cr(8)
    b.send(HINT, _page(10))
    b.send(HINT, _command(b, 0))


@breaks("C265")
def does_not_say_that_it_is_done(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b)))
    b.send(HINT, _page(9))
    b.wait(_LATE)


@breaks("C267", "C268")
def reads_what_it_has_hinted(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b)))
    b.send(HINT, _page(9))
    b.send(HINT, _command(b, 0))
    b.use(9, AccessKind.LOAD)


@breaks("C261", "C276", make=legacy)
def hints_the_other_way_round(b: Bench) -> None:
    b.up(_HINT)
    b.send(HINT, _command(b, _asked(b) << 24))
    b.send(HINT, _page(9))
    b.send(HINT, _command(b, 0))


# Poison.


def _poisoned(b: Bench) -> None:
    """Come up with a poison, and have page 1 out of the balloon again."""
    b.prepare(_POISON)
    b.cw(12, _AA)
    b.set(OK)
    b.send(INFLATE, b.pfns(1))
    b.actual(1)
    b.send(DEFLATE, b.pfns(1))
    b.use(1)


@keeps("C223", "C278", "C279", "C280")
def poisons_what_it_gets_back(b: Bench) -> None:
    _poisoned(b)
    b.slot.memory.write(RAM_BASE + PAGE, _AA.to_bytes(4, "little") * 1024)
    b.actual(0)


@breaks("C223", "C278")
def clears_what_it_gets_back(b: Bench) -> None:
    _poisoned(b)
    b.slot.memory.write(RAM_BASE + PAGE, bytes(PAGE))
    b.actual(0)


@breaks("C279")
def names_no_poison(b: Bench) -> None:
    b.up(_POISON)


@breaks("C280")
def changes_the_poison(b: Bench) -> None:
    b.prepare(_POISON)
    b.cw(12, _AA)
    b.set(OK)
    b.cw(12, 0)


# Reports.


@keeps("C224", "C282", "C284", "C285", "C286")
def reports_free_pages(b: Bench) -> None:
    b.up(_REPORTING)
    b.send(REPORT, _page(8, 4))
    b.use(9)


@keeps("C283")
def reports_poisoned_pages(b: Bench) -> None:
    b.prepare(_POISON, _REPORTING)
    b.cw(12, _AA)
    b.set(OK)
    b.slot.memory.write(RAM_BASE + 8 * PAGE, _AA.to_bytes(4, "little") * 4096)
    b.send(REPORT, _page(8, 4))


@breaks("C224", "C282")
def reads_what_it_has_reported(b: Bench) -> None:
    b.up(_REPORTING)
    b.send(REPORT, _page(8, 4))
    b.use(9, AccessKind.LOAD)


@breaks("C283")
def reports_pages_without_their_poison(b: Bench) -> None:
    b.prepare(_POISON, _REPORTING)
    b.cw(12, _AA)
    b.set(OK)
    b.send(REPORT, _page(8, 4))


@breaks("C284")
def uses_what_it_is_reporting(b: Bench) -> None:
    b.up(_REPORTING)
    b.add(REPORT, _page(8, 4))
    b.r(0x070)
    b.use(9)
    b.notify(REPORT)


@breaks("C286")
def reports_page_by_page(b: Bench) -> None:
    b.up(_REPORTING)
    b.send(REPORT, _page(8))
