"""Drivers and the registers: which, how wide, and the configuration space."""

from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
)
from tests.unit.monitor.bench import (
    Bench,
    breaks,
    keeps,
)

_GEN = VIRTIO_MMIO_CONFIG_GENERATION


def disk() -> Bench:
    """A disk, whose topology has fields of all widths."""
    return Bench(Block(MemoryBackend(bytearray(1 << 20)), "disk"))


def simple() -> Bench:
    """A balloon without anything optional."""
    return Bench(Balloon(["must-tell-host"]))


# Registers.


@keeps("C188", "C189", "C190", "C191", "C217")
def uses_registers_as_they_are(b: Bench) -> None:
    b.up()


@breaks("C188")
def reads_where_nothing_is(b: Bench) -> None:
    b.up()
    b.r(0x018)


@breaks("C188")
def reads_behind_the_configuration(b: Bench) -> None:
    b.up()
    b.cr(16)


@breaks("C189")
def writes_what_is_read_only(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_QUEUE_NUM_MAX, 1)


@breaks("C190")
def reads_what_is_write_only(b: Bench) -> None:
    b.up()
    b.r(VIRTIO_MMIO_QUEUE_SEL)


@breaks("C191")
def reads_a_byte_of_a_register(b: Bench) -> None:
    b.up()
    b.r(VIRTIO_MMIO_STATUS, 1)


@breaks("C217")
def wants_shared_memory(b: Bench) -> None:
    b.up()
    b.r(0x0B0)


@keeps("C192", "C193", "C194", make=disk)
def reads_fields_at_their_width(b: Bench) -> None:
    b.up()
    b.cr(24, 1)
    b.cr(26, 2)
    b.cr(28, 4)


@breaks("C192", make=disk)
def reads_a_byte_as_a_word(b: Bench) -> None:
    b.up()
    b.cr(25, 2)


@breaks("C193", make=disk)
def reads_a_half_as_a_word(b: Bench) -> None:
    b.up()
    b.cr(26, 4)


@breaks("C194", make=disk)
def reads_a_word_as_bytes(b: Bench) -> None:
    b.up()
    b.cr(28, 1)


# The configuration space.


@keeps("C035", "C037", make=disk)
def reads_64_bits_with_care(b: Bench) -> None:
    b.up()
    b.r(_GEN)
    b.cr(0)
    b.device.config_generation += 1
    b.r(VIRTIO_MMIO_INTERRUPT_STATUS)
    b.cr(4)
    b.r(_GEN)
    b.r(_GEN)
    b.cr(0)
    b.cr(4)
    b.r(_GEN)


@breaks("C035", make=disk)
def reads_64_bits_at_once(b: Bench) -> None:
    b.up()
    b.cr(0)
    b.cr(4)
    b.cr(20)


@breaks("C035", make=disk)
def forgets_the_generation_before(b: Bench) -> None:
    b.up()
    b.cr(0)
    b.cr(4)
    b.r(_GEN)


@breaks("C037", make=disk)
def takes_halves_of_two_moments(b: Bench) -> None:
    b.up()
    b.r(_GEN)
    b.cr(0)
    b.device.config_generation += 1
    b.cr(4)
    b.r(_GEN)
    b.cr(20)


@keeps("C038")
def reads_what_is_offered(b: Bench) -> None:
    b.up()
    b.cr(8)


@breaks("C038", make=simple)
def reads_what_is_not_offered(b: Bench) -> None:
    b.up()
    b.cr(8)
