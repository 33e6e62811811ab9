"""Drivers of the legacy interface."""

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import ALL_FEATURES, Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
)
from hv.conformance.dut import RAM_SIZE
from tests.unit.monitor.bench import (
    ANY_LAYOUT,
    OK,
    PAGE,
    VERSION_1,
    Bench,
    F,
    breaks,
    keeps,
    legacy,
)


def legacy_disk() -> Bench:
    """A disk on the legacy interface."""
    return Bench(Block(MemoryBackend(bytearray(1 << 20)), "disk"), "legacy")


def legacy_odd() -> Bench:
    """A balloon on the legacy interface that offers feature bit 30."""
    balloon = Balloon(ALL_FEATURES)
    balloon.features |= 1 << 30
    return Bench(balloon, "legacy")


@keeps("C043", make=legacy_disk)
def reads_64_bits_twice(b: Bench) -> None:
    b.begin()
    for _ in range(2):
        b.cr(0)
        b.cr(4)
    b.negotiate(0)


@breaks("C043", make=legacy_disk)
def reads_64_bits_once(b: Bench) -> None:
    b.begin()
    b.cr(0)
    b.cr(4)
    b.negotiate(0)


@keeps(
    "C025", "C028", "C067", "C111", "C112", "C116", "C117", "C118", "C120", "C229", "C245", make=legacy_odd
)
def by_the_old_book(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.enable(0)
    b.set(OK)
    b.send(0, b.pfns(1))
    b.actual(1)


@breaks("C025", "C009", make=legacy)
def takes_it_for_a_modern_device(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(1 | ANY_LAYOUT)
    b.w(0x024, 1)
    b.w(0x020, VERSION_1 >> 32)
    b.w(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
    b.enable(0)
    b.set(OK)


@breaks("C028", "C188", make=legacy)
def uses_a_register_of_version_2(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.r(VIRTIO_MMIO_CONFIG_GENERATION)


@breaks("C028", make=legacy)
def gives_no_page_size(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(1)
    b.enable(0)


@breaks("C067", make=legacy)
def sets_features_ok_of_old(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)
    b.reset()


@breaks("C111", make=legacy_odd)
def declines_any_layout(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(1)
    b.w(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
    b.enable(0)
    b.set(OK)


@breaks("C112", make=legacy_odd)
def accepts_the_unused_bit(b: Bench) -> None:
    b.begin()
    b.negotiate(1 << 30)
    b.enable(0)
    b.set(OK)


@breaks("C116", make=legacy)
def does_not_ask_for_the_size(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_NUM, 0)
    b.w(VIRTIO_MMIO_QUEUE_ALIGN, PAGE)


@breaks("C117", "C094", make=legacy)
def places_a_queue_at_the_end_of_ram(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.ring(0, 128)
    b.w(VIRTIO_MMIO_QUEUE_PFN, (0x8000_0000 + RAM_SIZE) // PAGE - 1)


@breaks("C118", "C130", make=legacy)
def names_no_descriptor(b: Bench) -> None:
    b.up()
    b.rings[0].make_available(300)
    b.notify(0)


@breaks("C120", "C139", make=legacy)
def counts_the_other_way_round(b: Bench) -> None:
    b.up()
    b.rings[0].chain([b.pfns(1)])
    b.rings[0].set_avail_idx(1 << 8)
    b.notify(0)


@breaks("C229", "C240", make=legacy)
def reports_the_other_way_round(b: Bench) -> None:
    b.up()
    b.send(0, b.pfns(1))
    b.actual(1 << 24)


@breaks("C245", make=legacy)
def reports_in_bytes(b: Bench) -> None:
    b.up()
    b.cw(4, 0, 1)
