"""Drivers and their rings: chains, indices, notifications."""

from devices.virtio.backends import MemoryBackend
from devices.virtio.block import Block
from devices.virtio.console import VirtioConsole
from devices.virtio.constants import (
    VIRTIO_F_IN_ORDER,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_STATUS,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.ring import Buffer
from tests.unit.monitor.bench import OK, PAGE, Bench, breaks, keeps

_INDIRECT, _EVENT = VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX
_LATE = 200_000_000
_AVAIL_FLAGS_ONE = 1


def disk() -> Bench:
    """A disk."""
    return Bench(Block(MemoryBackend(bytearray(1 << 20)), "disk"))


def console() -> Bench:
    """A console, which leaves buffers in its ring until there is something to put into them."""
    return Bench(VirtioConsole(lambda _byte: None))


def _request(b: Bench, length: int = 512) -> tuple[Buffer, Buffer, Buffer]:
    """Header, data and status of a read."""
    header = b.put(bytes(16))
    return header, Buffer(b.take(length), length, True), Buffer(b.take(1), 1, True)


@keeps("C070", "C094", "C124", "C125", "C130", "C134", "C139", make=disk)
def reads_a_sector(b: Bench) -> None:
    b.up()
    b.send(0, *_request(b))


@keeps("C131", "C132", "C133", "C135", "C136", make=disk)
def reads_in_order(b: Bench) -> None:
    b.up(VIRTIO_F_IN_ORDER, _INDIRECT)
    b.send(0, *_request(b))
    b.rings[0].make_available(b.rings[0].indirect_chain(_request(b), b.take(PAGE)))
    b.notify(0)


@keeps("C168", "C169", make=disk)
def reads_two_at_once(b: Bench) -> None:
    b.up()
    ring = b.rings[0]
    ring.make_available(ring.chain(_request(b)), ring.chain(_request(b)))
    b.notify(0)


@breaks("C070", make=disk)
def changes_a_buffer_behind_the_device(b: Bench) -> None:
    b.up()
    head = b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    b.rings[0].descriptor(head, b.take(PAGE), 16, 1, head + 1)
    b.notify(0)


@breaks("C094", make=disk)
def reads_into_nowhere(b: Bench) -> None:
    b.up()
    header, _, status = _request(b)
    b.send(0, header, Buffer(RAM_BASE + RAM_SIZE, 512, True), status)


@breaks("C124", make=disk)
def places_what_is_read_last(b: Bench) -> None:
    b.up()
    header, data, status = _request(b)
    b.send(0, data, header, status)


@breaks("C125", "C134", make=disk)
def has_a_thousand_pieces(b: Bench) -> None:
    b.up(_INDIRECT)
    pieces = [b.put(bytes(16))] * 1100
    b.rings[0].make_available(b.rings[0].indirect_chain(pieces, b.take(16 * 1100)))
    b.notify(0)


@breaks("C130", make=disk)
def goes_round_in_circles(b: Bench) -> None:
    b.up()
    ring, header = b.rings[0], b.put(bytes(16))
    ring.descriptor(0, header.addr, 16, 1, 0)
    ring.make_available(0)
    b.notify(0)


@breaks("C131", make=disk)
def jumps_in_the_table(b: Bench) -> None:
    b.up(VIRTIO_F_IN_ORDER)
    ring = b.rings[0]
    header, _, status = _request(b)
    ring.descriptor(0, header.addr, 16, 1, 5)
    ring.descriptor(5, status.addr, 1, 2)
    ring.make_available(0)
    b.notify(0)


@breaks("C132", make=disk)
def uses_indirect_without_asking(b: Bench) -> None:
    b.up()
    b.rings[0].make_available(b.rings[0].indirect_chain(_request(b), b.take(PAGE)))
    b.notify(0)


@breaks("C133", make=disk)
def nests_tables(b: Bench) -> None:
    b.up(_INDIRECT)
    table, ring = b.take(PAGE), b.rings[0]
    head = ring.indirect_chain(_request(b), table)
    b.slot.memory.write(table + 12, b"\4\0")
    ring.make_available(head)
    b.notify(0)


@breaks("C134", make=disk)
def chains_more_than_the_queue_has(b: Bench) -> None:
    b.up(_INDIRECT)
    pieces = [b.put(bytes(16))] * 17
    b.rings[0].make_available(b.rings[0].indirect_chain(pieces, b.take(PAGE)))
    b.notify(0)


@breaks("C135", make=disk)
def chains_behind_a_table(b: Bench) -> None:
    b.up(_INDIRECT)
    ring = b.rings[0]
    head = ring.indirect_chain(_request(b)[:1], b.take(PAGE), flags=1)
    following = ring.chain(_request(b)[2:])
    b.slot.memory.write(ring.desc + 16 * head + 14, following.to_bytes(2, "little"))
    ring.make_available(head)
    b.notify(0)


@breaks("C136", make=disk)
def jumps_in_an_indirect_table(b: Bench) -> None:
    b.up(VIRTIO_F_IN_ORDER, _INDIRECT)
    table, ring = b.take(PAGE), b.rings[0]
    head = ring.indirect_chain(_request(b), table)
    b.slot.memory.write(table + 14, (2).to_bytes(2, "little"))
    ring.make_available(head)
    b.notify(0)


@breaks("C139", make=disk)
def takes_a_buffer_back(b: Bench) -> None:
    b.up()
    ring = b.rings[0]
    b.add(0, *_request(b))
    b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    ring.set_avail_idx(1)
    b.notify(0)


# Suppression, as the driver asks for it.


@keeps("C140", "C141", "C174", make=disk)
def drains_without_interrupts(b: Bench) -> None:
    b.up()
    b.rings[0].set_avail_flags(_AVAIL_FLAGS_ONE)
    b.send(0, *_request(b))
    b.rings[0].set_avail_flags(0)
    b.r(VIRTIO_MMIO_STATUS)


@keeps("C142", "C143", make=disk)
def moves_its_event(b: Bench) -> None:
    b.up(_EVENT)
    b.send(0, *_request(b))
    b.rings[0].set_used_event(1)
    b.send(0, *_request(b))


@breaks("C140", make=disk)
def makes_up_flags(b: Bench) -> None:
    b.up()
    b.rings[0].set_avail_flags(2)
    b.r(VIRTIO_MMIO_STATUS)


@breaks("C142", make=disk)
def uses_flags_with_events(b: Bench) -> None:
    b.up(_EVENT)
    b.rings[0].set_avail_flags(1)
    b.r(VIRTIO_MMIO_STATUS)


# Notifications of the device. The device's part of the ring is written by hand where it must be odd.


@keeps("C158", "C159", make=disk)
def notifies_when_it_must(b: Bench) -> None:
    b.up()
    b.send(0, *_request(b))


@keeps("C159", make=disk)
def notifies_a_little_later(b: Bench) -> None:
    b.up()
    b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    b.wait(1000)
    b.notify(0)


@keeps("C157", make=disk)
def passes_over_the_event_without_events(b: Bench) -> None:
    b.up()
    ring = b.rings[0]
    b.slot.memory.write(ring.used + 4 + 8 * ring.size, b"\x40\0")
    b.send(0, *_request(b))


@breaks("C157", "C159", make=disk)
def believes_an_event_that_is_none(b: Bench) -> None:
    b.up()
    ring = b.rings[0]
    b.slot.memory.write(ring.used + 4 + 8 * ring.size, b"\x40\0")
    b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    b.wait(_LATE)


@breaks("C158", make=disk)
def notifies_who_wants_silence(b: Bench) -> None:
    b.up()
    b.slot.memory.write(b.rings[0].used, b"\1\0")
    b.add(0, *_request(b))
    b.w(VIRTIO_MMIO_QUEUE_NOTIFY, 0)


@breaks("C159", make=disk)
def never_notifies(b: Bench) -> None:
    b.up()
    b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    b.wait(_LATE)


@keeps("C160", "C161", "C162", make=disk)
def minds_the_event_and_no_flag(b: Bench) -> None:
    b.up(_EVENT)
    b.slot.memory.write(b.rings[0].used, b"\1\0")
    b.send(0, *_request(b))


@keeps(make=disk)
def owes_nothing_for_a_wish_of_later(b: Bench) -> None:
    b.up(_EVENT)
    avail_event = b.rings[0].used + 4 + 8 * b.rings[0].size
    b.slot.memory.write(avail_event, b"\7\0")
    b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    b.slot.memory.write(avail_event, b"\0\0")
    b.r(VIRTIO_MMIO_STATUS)
    b.wait(_LATE)


@keeps("C161", make=console)
def adds_more_than_the_device_has_use_for(b: Bench) -> None:
    b.up(_EVENT)
    b.send(0, Buffer(b.take(8), 8, True))
    for _ in range(3):  # the device still wants to be told of the first, as it has not taken it
        b.add(0, Buffer(b.take(8), 8, True))
    assert isinstance(b.device, VirtioConsole)
    b.device.receive(b"!")  # now it wishes to be told of the second, which the driver has added long ago
    b.serve()
    b.wait(_LATE)


@breaks("C160", "C161", make=disk)
def believes_a_flag_with_events(b: Bench) -> None:
    b.up(_EVENT)
    b.slot.memory.write(b.rings[0].used, b"\1\0")
    b.add(0, *_request(b))
    b.r(VIRTIO_MMIO_STATUS)
    b.wait(_LATE)


@breaks("C162", make=disk)
def notifies_for_nothing(b: Bench) -> None:
    b.up(_EVENT)
    b.send(0, *_request(b))
    b.notify(0)


@keeps("C066", make=disk)
def adds_before_driver_ok(b: Bench) -> None:
    b.prepare(_EVENT)
    b.add(0, *_request(b))
    b.set(OK)
    b.notify(0)
