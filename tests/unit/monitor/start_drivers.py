"""Drivers from discovery to DRIVER_OK."""

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VERSION,
)
from devices.virtio.empty import EmptySlot
from tests.unit.monitor.bench import FAILED, OK, VERSION_1, A, Bench, D, F, breaks, keeps, legacy


class NoMagic(EmptySlot):
    """A slot of something else."""

    def read_magic_value(self) -> int:
        """Not "virt"."""
        return 0x1234


def empty() -> Bench:
    """A slot without a device."""
    bench = Bench()
    bench.replace(EmptySlot(2))
    return bench


def no_magic() -> Bench:
    """A slot without the magic."""
    bench = Bench()
    bench.replace(NoMagic(2))
    return bench


def future() -> Bench:
    """A slot of a version that is yet to come."""
    bench = Bench()
    bench.replace(EmptySlot(3))
    return bench


def offering(*bits: int) -> "type[Bench] | object":
    """Return a maker of balloons that offer more feature bits."""

    def make() -> Bench:
        balloon = Balloon()
        balloon.features |= sum(1 << bit for bit in bits)
        return Bench(balloon)

    return make


def network() -> Bench:
    """A slot that calls itself a network device, with the features CSUM, GUEST_CSUM, GUEST_TSO4, ECN."""
    balloon = Balloon()
    balloon.features = 1 << 0 | 1 << 1 | 1 << 7 | 1 << 9
    bench = Bench(balloon)
    bench.slot.mmio.device_id = 1
    return bench


def old() -> Bench:
    """A device of version 2 that does not offer VERSION_1."""
    bench = Bench()
    bench.slot.mmio.ring_features = 0
    return bench


def disk(interface: str = "modern") -> Bench:
    """A disk."""
    return Bench(Block(MemoryBackend(bytearray(1 << 20)), "disk"), interface)


@keeps(
    "C001", "C002", "C009", "C011", "C012", "C013", "C014", "C015", "C034", "C053", "C054", "C055", "C056",
    "C058", "C059", "C060", "C061", "C062", "C063", "C066", "C090", "C201", "C202", "C213", "C214", "C218",
    "C222",
)  # fmt: skip
def by_the_book(b: Bench) -> None:
    b.up()
    b.send(0, b.pfns(1))
    b.actual(1)


@breaks("C002")
def clears_a_bit(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_STATUS, A | D | F)


@breaks("C003")
def begins_again_after_failed(b: Bench) -> None:
    b.begin()
    b.set(FAILED)
    b.set(A)


@keeps("C003", "C065")
def gives_up(b: Bench) -> None:
    b.begin()
    b.set(FAILED)
    b.reset()
    b.set(A, D)


@breaks("C065")
def goes_on_after_failed(b: Bench) -> None:
    b.begin()
    b.offered()
    b.set(FAILED)
    b.accept(VERSION_1 | 1)


@breaks("C034")
def does_not_wait_for_the_reset(b: Bench) -> None:
    b.discover()
    b.w(VIRTIO_MMIO_STATUS, 0)
    b.set(A, D)


@breaks("C053", "C218")
def begins_without_a_reset(b: Bench) -> None:
    b.discover()
    b.set(A, D)


@breaks("C054")
def driver_before_acknowledge(b: Bench) -> None:
    b.discover()
    b.reset()
    b.set(A | D)


@breaks("C055")
def features_ok_before_driver(b: Bench) -> None:
    b.discover()
    b.reset()
    b.set(A)
    b.negotiate(0)
    b.set(FAILED)


@keeps("C057")
def looks_at_the_configuration(b: Bench) -> None:
    b.begin()
    b.cr(0)


@breaks("C058")
def configures_too_early(b: Bench) -> None:
    b.begin()
    b.offered()
    b.actual(0)
    b.negotiate(0)


@breaks("C056", "C059", "C090", "C222")
def accepts_nothing(b: Bench) -> None:
    b.begin()
    b.offered()
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)
    b.set(FAILED)


@breaks("C060")
def changes_its_mind(b: Bench) -> None:
    b.up()
    b.accept(VERSION_1)


@breaks("C061")
def does_not_look_whether_features_are_ok(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(VERSION_1 | 1)
    b.set(F)
    b.enable(0)
    b.set(OK)


@breaks("C061", "C009", "C015")
def goes_on_though_refused(b: Bench) -> None:
    b.begin()
    b.negotiate(1 << 20)
    b.enable(0)


@breaks("C062")
def enables_a_queue_too_late(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.enable(0)
    b.set(OK)
    b.enable(1)


@breaks("C062")
def has_no_queue(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.set(OK)


@breaks("C063", "C001", "C059")
def driver_ok_alone(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.enable(0)
    b.reset()
    b.set(A, D)
    b.enable(0)
    b.set(OK)


@breaks("C066")
def notifies_too_early(b: Bench) -> None:
    b.prepare()
    b.w(VIRTIO_MMIO_QUEUE_NOTIFY, 3)


@breaks("C009")
def accepts_what_is_not_offered(b: Bench) -> None:
    b.begin()
    b.device.features &= ~(1 << 5)
    b.negotiate(1 << 5)
    b.set(FAILED)


@keeps("C010", make=network)
def csum_and_tso(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(VERSION_1 | 1 << 1 | 1 << 7 | 1 << 9)
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)


@breaks("C010", make=network)
def tso_without_csum(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(VERSION_1 | 1 << 7)
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)


@breaks("C011", "C009")
def accepts_without_reading(b: Bench) -> None:
    b.begin()
    b.w(0x14, 0)
    b.r(VIRTIO_MMIO_DEVICE_FEATURES)
    b.accept(VERSION_1 | 1)
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)


def _accepts(bit: int) -> "object":
    def play(b: Bench) -> None:
        b.begin()
        b.negotiate(1 << bit)

    play.__name__ = f"accepts_{bit}"
    return play


def _declines(bit: int) -> "object":
    def play(b: Bench) -> None:
        b.begin()
        b.negotiate(0)

    play.__name__ = f"declines_{bit}"
    return play


for _clauses, _bit in (
    (("C012",), 31),
    (("C013",), 44),
    (("C014",), 41),
    (("C014", "C099"), 37),
    (("C015",), 17),
):
    breaks(*_clauses, make=offering(_bit))(_accepts(_bit))

for _clause, _bit in (("C092", 33), ("C095", 34), ("C096", 36), ("C098", 39)):
    keeps(_clause, make=offering(_bit))(_accepts(_bit))
    breaks(_clause, make=offering(_bit))(_declines(_bit))

keeps("C099", make=offering(37))(_declines(37))


@breaks("C090")
def declines_version_1(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(1)
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)
    b.set(FAILED)


@keeps("C091", make=old)
def will_not_drive_an_old_device(b: Bench) -> None:
    b.begin()
    b.offered()
    b.set(FAILED)


@breaks("C222")
def will_not_tell_the_host(b: Bench) -> None:
    b.begin()
    b.offered()
    b.accept(VERSION_1)
    b.set(F)
    b.r(VIRTIO_MMIO_STATUS)


@keeps("C199", "C215", "C216", make=empty)
def leaves_an_empty_slot_alone(b: Bench) -> None:
    b.discover()


@breaks("C199", "C216", make=empty)
def looks_into_an_empty_slot(b: Bench) -> None:
    b.discover()
    b.r(0x00C)


@breaks("C199", "C215", "C216", make=empty)
def drives_an_empty_slot(b: Bench) -> None:
    b.discover()
    b.reset()


@keeps("C195", make=no_magic)
def leaves_a_slot_without_magic_alone(b: Bench) -> None:
    b.r(VIRTIO_MMIO_MAGIC_VALUE)


@breaks("C195", make=no_magic)
def drives_a_slot_without_magic(b: Bench) -> None:
    b.r(VIRTIO_MMIO_MAGIC_VALUE)
    b.r(VIRTIO_MMIO_VERSION)
    b.r(0x00C)


@keeps("C197", make=future)
def leaves_the_future_alone(b: Bench) -> None:
    b.r(VIRTIO_MMIO_MAGIC_VALUE)
    b.r(VIRTIO_MMIO_VERSION)


@breaks("C197", make=future)
def drives_the_future(b: Bench) -> None:
    b.r(VIRTIO_MMIO_MAGIC_VALUE)
    b.r(VIRTIO_MMIO_VERSION)
    b.r(0x00C)


@keeps("C030", make=legacy)
def leaves_the_past_alone(b: Bench) -> None:
    b.discover()


@breaks("C201")
def reads_features_without_selecting(b: Bench) -> None:
    b.begin()
    b.r(VIRTIO_MMIO_DEVICE_FEATURES)


@breaks("C202")
def writes_features_without_selecting(b: Bench) -> None:
    b.begin()
    b.offered()
    b.w(VIRTIO_MMIO_DRIVER_FEATURES, 0)


@breaks("C213")
def asks_for_the_device_first(b: Bench) -> None:
    b.r(VIRTIO_MMIO_DEVICE_ID)
    b.discover()


@breaks("C214")
def does_not_ask_what_it_is(b: Bench) -> None:
    b.r(VIRTIO_MMIO_MAGIC_VALUE)
    b.r(VIRTIO_MMIO_VERSION)
    b.reset()
