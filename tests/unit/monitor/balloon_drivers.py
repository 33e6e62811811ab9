"""Drivers of a balloon: pages, statistics, hints, poison, reports."""

import struct

from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
    VIRTIO_BALLOON_F_STATS_VQ,
)
from hv.conformance.ring import Buffer
from hv.cpu.watch import AccessKind
from tests.unit.monitor.bench import (
    DEFLATE,
    INFLATE,
    OK,
    PAGE,
    STATS,
    VERSION_1,
    Bench,
    F,
    breaks,
    keeps,
    legacy,
)

_OOM, _STATS = VIRTIO_BALLOON_F_DEFLATE_ON_OOM, VIRTIO_BALLOON_F_STATS_VQ
_LATE = 130_000_000_000


def no_must_tell() -> Bench:
    """A balloon that need not be told."""
    return Bench(Balloon(["deflate-on-oom"]))


def _balloon(b: Bench) -> Balloon:
    assert isinstance(b.device, Balloon)
    return b.device


def _target(b: Bench, pages: int) -> None:
    """The host sets a target, and the driver looks at it."""
    _balloon(b).set_target(pages)
    b.interrupt()
    b.cr(0)


# Inflating and deflating.


@keeps("C230", "C231", "C232", "C233", "C235", "C236", "C238", "C239", "C240")
def goes_with_the_target(b: Bench) -> None:
    b.up()
    _target(b, 2)
    b.send(INFLATE, b.pfns(1, 2))
    b.actual(2)
    _target(b, 0)
    b.send(DEFLATE, b.pfns(1))
    b.actual(1)
    b.use(1)


@keeps("C241")
def reports_once_for_two(b: Bench) -> None:
    b.up()
    b.send(INFLATE, b.pfns(1))
    b.send(INFLATE, b.pfns(2))
    b.actual(2)


@keeps("C234")
def deflates_in_need(b: Bench) -> None:
    b.up(_OOM)
    _target(b, 1)
    b.send(INFLATE, b.pfns(1))
    b.actual(1)
    b.send(DEFLATE, b.pfns(1))
    b.actual(0)


@keeps("C237", make=no_must_tell)
def uses_pages_before_the_answer(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(VERSION_1)
    b.set(F)
    b.r(0x070)
    b.enable(INFLATE)
    b.enable(DEFLATE)
    b.set(OK)
    b.send(INFLATE, b.pfns(1))
    b.actual(1)
    b.add(DEFLATE, b.pfns(1))
    b.r(0x070)
    b.use(1)
    b.notify(DEFLATE)
    b.actual(0)


@breaks("C230")
def does_not_care_for_the_target(b: Bench) -> None:
    b.up()
    _target(b, 10)
    b.wait(_LATE)


@breaks("C233", "C235")
def uses_a_page_that_is_wanted(b: Bench) -> None:
    b.up()
    _target(b, 1)
    b.send(INFLATE, b.pfns(1))
    b.actual(1)
    b.use(1)


@breaks("C235")
def uses_a_page_without_asking(b: Bench) -> None:
    b.up(_OOM)
    b.send(INFLATE, b.pfns(1))
    b.actual(1)
    b.use(1, AccessKind.LOAD)


@breaks("C236")
def uses_a_page_too_early(b: Bench) -> None:
    b.up()
    b.send(INFLATE, b.pfns(1))
    b.actual(1)
    b.add(DEFLATE, b.pfns(1))
    b.r(0x070)
    b.use(1)
    b.notify(DEFLATE)
    b.actual(0)


@breaks("C238")
def uses_a_page_that_it_gives(b: Bench) -> None:
    b.up()
    b.add(INFLATE, b.pfns(1))
    b.r(0x070)
    b.use(1)
    b.notify(INFLATE)
    b.actual(1)


@breaks("C239")
def wants_back_what_has_not_arrived(b: Bench) -> None:
    b.up()
    b.add(INFLATE, b.pfns(1))
    b.r(0x070)
    b.add(DEFLATE, b.pfns(1))
    b.notify(INFLATE)
    b.notify(DEFLATE)
    b.actual(0)


@breaks("C240")
def reports_a_wrong_size(b: Bench) -> None:
    b.up()
    b.send(INFLATE, b.pfns(1))
    b.actual(2)


@breaks("C240")
def does_not_report_the_size(b: Bench) -> None:
    b.up()
    b.send(INFLATE, b.pfns(1))
    b.wait(_LATE)


# Statistics.


def _stats(b: Bench, *tags: int, extra: bytes = b"") -> Buffer:
    return b.put(b"".join(struct.pack("<HQ", tag, 4096) for tag in tags) + extra)


@keeps("C247", "C248", "C249", "C250", "C251", "C252", "C253", "C254")
def keeps_its_statistics_fresh(b: Bench) -> None:
    b.prepare(_STATS)
    b.add(STATS, _stats(b, 5, 4))
    b.set(OK)
    b.notify(STATS)
    _balloon(b).request_stats()
    b.serve()
    b.interrupt()
    b.send(STATS, _stats(b, 5, 4))


@keeps("C257", make=legacy)
def supplies_statistics_of_old(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4))


@breaks("C247")
def has_two_buffers_of_statistics(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4))
    b.send(STATS, _stats(b, 4))


@breaks("C248")
def supplies_no_statistics(b: Bench) -> None:
    b.up(_STATS)
    b.wait(_LATE)


@breaks("C248", "C250")
def lets_the_device_write_statistics(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, Buffer(b.take(PAGE), 160, True))


@breaks("C249")
def supplies_statistics_only_once(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4))
    _balloon(b).request_stats()
    b.serve()
    b.interrupt()
    b.wait(_LATE)


@breaks("C250")
def supplies_a_statistic_twice(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4, 4))


@breaks("C251")
def supplies_half_a_statistic(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4, extra=b"123"))


@breaks("C254")
def supplies_now_this_now_that(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4))
    _balloon(b).request_stats()
    b.serve()
    b.interrupt()
    b.send(STATS, _stats(b, 4, 5))


@breaks("C257", make=legacy)
def supplies_foreign_statistics(b: Bench) -> None:
    b.up(_STATS)
    b.send(STATS, _stats(b, 4 << 8))
