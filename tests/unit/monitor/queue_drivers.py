"""Drivers and their queues, interrupts, and suspend."""

from devices.virtio.constants import (
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
)
from tests.unit.monitor.bench import (
    OK,
    PAGE,
    SUSPEND,
    A,
    Bench,
    D,
    F,
    breaks,
    keeps,
)

# Queues.


@keeps("C113", "C114", "C115", "C156", "C203", "C204", "C205", "C206")
def stops_a_queue(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_READY, 0)
    b.r(VIRTIO_MMIO_QUEUE_READY)


@keeps("C047", "C048", "C050", "C051", "C210", "C211", "C212")
def resets_a_queue(b: Bench) -> None:
    b.up(VIRTIO_F_RING_RESET)
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_RESET, 1)
    b.r(VIRTIO_MMIO_QUEUE_RESET)
    b.enable(0, 8)
    b.send(0, b.pfns(1))
    b.actual(1)


@breaks("C047", "C210")
def does_not_look_whether_the_queue_is_reset(b: Bench) -> None:
    b.up(VIRTIO_F_RING_RESET)
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_RESET, 1)
    b.enable(0, 8)


@breaks("C050")
def enables_a_queue_that_is_nowhere(b: Bench) -> None:
    b.up(VIRTIO_F_RING_RESET)
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_RESET, 1)
    b.r(VIRTIO_MMIO_QUEUE_RESET)
    ring = b.rings[0]
    b.place(0, 16, ring.desc, ring.avail, ring.used)
    b.w(VIRTIO_MMIO_QUEUE_RESET, 1)
    b.r(VIRTIO_MMIO_QUEUE_RESET)
    b.w(VIRTIO_MMIO_QUEUE_NUM, 16)
    for low in (0x80, 0x90, 0xA0):
        b.w(low, (ring.desc, ring.avail, ring.used)[(low - 0x80) // 0x10] & 0xFFFF_FFFF)
    b.w(VIRTIO_MMIO_QUEUE_READY, 1)


@keeps("C071")
def gives_up_a_queue_by_a_reset(b: Bench) -> None:
    b.up()
    b.add(0, b.pfns(1))
    b.r(VIRTIO_MMIO_STATUS)
    b.reset()


@breaks("C071")
def takes_a_busy_queue_away(b: Bench) -> None:
    b.up()
    b.add(0, b.pfns(1))
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_READY, 0)
    b.r(VIRTIO_MMIO_QUEUE_READY)


def _misplaced(part: int, by: int) -> "object":
    def play(b: Bench) -> None:
        b.begin()
        b.negotiate(0)
        places = [b.take(PAGE), b.take(PAGE), b.take(PAGE)]
        places[part] += by
        b.place(0, 16, *places)
        b.w(VIRTIO_MMIO_QUEUE_READY, 1)

    play.__name__ = f"misplaces_part_{part}"
    return play


for _clause, _part, _by in (("C113", 0, 8), ("C114", 1, 1), ("C115", 2, 2)):
    breaks(_clause)(_misplaced(_part, _by))


@breaks("C156")
def leaves_the_used_flags(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    ring = b.ring(0)
    b.slot.memory.write(ring.used, b"\1")
    b.w(VIRTIO_MMIO_QUEUE_READY, 1)


@breaks("C203")
def wants_too_many_entries(b: Bench) -> None:
    b.begin()
    b.negotiate(0)
    b.ring(0)
    b.w(VIRTIO_MMIO_QUEUE_NUM, 1 << 14)


@breaks("C204")
def moves_a_queue_in_use(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_AVAIL_LOW, b.take(PAGE) & 0xFFFF_FFFF)


@breaks("C205")
def enables_a_queue_twice(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_READY, 1)


@breaks("C206")
def does_not_read_ready_back(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_QUEUE_SEL, 0)
    b.w(VIRTIO_MMIO_QUEUE_READY, 0)
    b.w(VIRTIO_MMIO_QUEUE_SEL, 1)


# Interrupts.


@keeps("C208", "C209", "C219", "C221")
def acknowledges(b: Bench) -> None:
    b.up()
    b.device.set_target(10)
    b.interrupt()
    b.interrupt()


@breaks("C219")
def acknowledges_blindly(b: Bench) -> None:
    b.up()
    b.w(VIRTIO_MMIO_INTERRUPT_ACK, 1)


@breaks("C208")
def acknowledges_too_much(b: Bench) -> None:
    b.up()
    b.device.set_target(10)
    b.r(VIRTIO_MMIO_INTERRUPT_STATUS)
    b.w(VIRTIO_MMIO_INTERRUPT_ACK, 3)


@breaks("C209")
def acknowledges_what_there_is_not(b: Bench) -> None:
    b.up()
    b.r(VIRTIO_MMIO_INTERRUPT_STATUS)
    b.w(VIRTIO_MMIO_INTERRUPT_ACK, 4)


@breaks("C221")
def never_acknowledges(b: Bench) -> None:
    b.up()
    b.device.set_target(10)
    b.r(VIRTIO_MMIO_INTERRUPT_STATUS)
    b.r(VIRTIO_MMIO_INTERRUPT_STATUS)


# Suspend.


@keeps("C072", "C073", "C074", "C075", "C076", "C077")
def sleeps_and_wakes(b: Bench) -> None:
    b.up(VIRTIO_F_SUSPEND)
    b.set(SUSPEND)
    assert b.r(VIRTIO_MMIO_STATUS) == A | D | F | SUSPEND
    b.w(VIRTIO_MMIO_STATUS, A | D | F | OK)
    assert b.r(VIRTIO_MMIO_STATUS) == A | D | F | OK
    b.send(0, b.pfns(1))
    b.actual(1)


@breaks("C072")
def suspends_without_asking(b: Bench) -> None:
    b.up()
    b.set(SUSPEND)


@breaks("C073")
def does_not_see_it_asleep(b: Bench) -> None:
    b.up(VIRTIO_F_SUSPEND)
    b.set(SUSPEND)
    b.w(VIRTIO_MMIO_STATUS, A | D | F | OK)
    b.r(VIRTIO_MMIO_STATUS)


@breaks("C074")
def adds_buffers_in_its_sleep(b: Bench) -> None:
    b.up(VIRTIO_F_SUSPEND)
    b.set(SUSPEND)
    b.r(VIRTIO_MMIO_STATUS)
    b.add(0, b.pfns(1))
    b.r(VIRTIO_MMIO_STATUS)


@breaks("C075")
def notifies_in_its_sleep(b: Bench) -> None:
    b.up(VIRTIO_F_SUSPEND)
    b.set(SUSPEND)
    b.r(VIRTIO_MMIO_STATUS)
    b.w(VIRTIO_MMIO_QUEUE_NOTIFY, 4)


@breaks("C076")
def configures_in_its_sleep(b: Bench) -> None:
    b.up(VIRTIO_F_SUSPEND)
    b.set(SUSPEND)
    b.r(VIRTIO_MMIO_STATUS)
    b.actual(0)


@breaks("C077")
def goes_on_before_it_is_awake(b: Bench) -> None:
    b.up(VIRTIO_F_SUSPEND)
    b.set(SUSPEND)
    b.r(VIRTIO_MMIO_STATUS)
    b.w(VIRTIO_MMIO_STATUS, A | D | F | OK)
    b.actual(0)
