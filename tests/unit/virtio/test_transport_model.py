"""Both interfaces against a naive model of the specification, through any sequence of accesses."""

from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_STATUS,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.conformance.driver import F_VERSION_1
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Ring, layout
from tests.unit.virtio.transport_model import (
    ACTUAL,
    NUM_PAGES,
    PARTS,
    LegacyModel,
    ModernModel,
    TransportModel,
)

RAM_BYTES = 1 << 20
PFNS = RAM_BASE + RAM_BYTES - 4096
"""Where the page number lies that every request names: a page in the middle, which nobody else uses."""

QUEUES = (0, 1)
"""Those that give back what they are given."""

FEATURES = (
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_RING_F_INDIRECT_DESC,
    VIRTIO_RING_F_EVENT_IDX,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
)
STATUS = (0x1, 0x2, 0x3, 0x4, 0x7, 0x8, 0xB, 0xF, 0xF, 0xF, 0x10, 0x14, 0x1F, 0x1F, 0x40, 0x80, 0xFF)
ODD = (0, 1, 2, 3, 7, 8, 0x80, 0x1000, 0x8000, 0x1_0000, RAM_BASE, 0xFFFF_FFF0, 0xFFFF_FFFF)
"""Values for any register."""

BROKEN = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED

numbers = st.sampled_from(ODD)
queues = st.sampled_from(QUEUES)
declined = st.sets(st.sampled_from(FEATURES), max_size=4)


class TransportMachine(RuleBasedStateMachine):
    """Every write goes to both, and after each step everything that can be read is the same."""

    interface: ClassVar[str]
    model_class: ClassVar[type[TransportModel]]
    odd_registers: ClassVar[tuple[int, ...]]

    def __init__(self) -> None:
        super().__init__()
        self.slot = self.fresh()
        self.model = self.model_class(
            self.slot.mmio.offered, self.slot.device.queue_sizes, range(RAM_BASE, RAM_BASE + RAM_BYTES)
        )
        self.rings: dict[int, Ring] = {}
        self.seen = (0, 0)
        self.slot.write_memory(PFNS, (RAM_BASE // 4096 + 128).to_bytes(4, "little"))

    def fresh(self) -> Slot:
        """Return a new device."""
        return Slot(Balloon(), RAM_BYTES, self.interface)

    @property
    def balloon(self) -> Balloon:
        """The device."""
        assert isinstance(self.slot.device, Balloon)
        return self.slot.device

    def write(self, offset: int, value: int) -> None:
        """Write a register of both, and let both work."""
        self.slot.write(offset, 4, value)
        self.slot.settle()
        self.model.write(offset, value)
        self.model.settle()

    # What a driver does.

    @rule(value=st.sampled_from(STATUS))
    def write_status(self, value: int) -> None:
        """Set bits of Status, in order or not."""
        self.write(VIRTIO_MMIO_STATUS, value)

    @rule(word=st.integers(0, 5), value=st.one_of(numbers, st.sampled_from([1 << n % 32 for n in FEATURES])))
    def choose_features(self, word: int, value: int) -> None:
        """Write one word of features, whatever it says."""
        self.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
        self.write(VIRTIO_MMIO_DRIVER_FEATURES, value)

    @initialize(declined=declined)
    def begin(self, declined: set[int]) -> None:
        """Begin with a device at work, which most rules are about."""
        self.bring_up(declined, live=True)

    @rule(declined=declined, live=st.booleans())
    def bring_up(self, declined: set[int], live: bool) -> None:
        """Reset the device and initialize it as one should, with two queues."""
        bits = F_VERSION_1 | sum(1 << feature for feature in FEATURES if feature not in declined)
        bits &= self.model.offered
        for status in (0, 1, 3):
            self.write(VIRTIO_MMIO_STATUS, status)
        for word in (0, 1):
            self.choose_features(word, bits >> 32 * word & 0xFFFF_FFFF)
        self.write(VIRTIO_MMIO_STATUS, 0xB)
        self.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, 4096)
        for index in QUEUES:
            self.place(index, 8)
        if live:
            self.write(VIRTIO_MMIO_STATUS, 0xF)

    @rule(index=queues, size=st.sampled_from((1, 2, 8)))
    def place(self, index: int, size: int) -> None:
        """Put a new ring in its place, and enable the queue; one that is in use stays as it is."""
        self.write(VIRTIO_MMIO_QUEUE_SEL, index)
        if not self.model.selected().ready:
            self.rings[index] = Ring(self.slot, RAM_BASE + 0x8000 * index, size, self.align)
        self.write(VIRTIO_MMIO_QUEUE_NUM, size)
        self.enable(self.rings[index].desc, size)

    @rule(sel=st.integers(0, 6))
    def select(self, sel: int) -> None:
        """Look at another queue."""
        self.write(VIRTIO_MMIO_QUEUE_SEL, sel)

    @rule(data=st.data(), value=numbers)
    def write_oddly(self, data: st.DataObject, value: int) -> None:
        """Write something to a register, most often what must not be written."""
        self.write(data.draw(st.sampled_from(self.odd_registers)), value)

    @precondition(lambda self: any(self.model.queues[index].ready for index in self.rings))
    @rule(
        index=queues,
        chains=st.integers(0, 3),
        notify=st.sampled_from((True, True, False)),
        event=st.integers(0, 6),
    )
    def offer(self, index: int, chains: int, notify: bool, event: int) -> None:
        """Make chains available, too many at times, and notify or forget to."""
        queue = self.model.queues[index]
        if index in self.rings and queue.ready:
            ring = self.rings[index]
            ring.set_used_event(event)
            ring.set_avail_flags(event & 1)
            for _ in range(chains):
                ring.descriptor(ring.avail_idx % ring.size, PFNS, 4, 0)
                ring.make_available(ring.avail_idx % ring.size)
            queue.used_event, queue.no_interrupt = event, bool(event & 1)
            queue.available += chains
        if notify:
            self.notify(index)

    @rule(index=st.integers(0, 6))
    def notify(self, index: int) -> None:
        """Notify a queue, in use or not, with the data that the driver may have promised."""
        data = self.model.has(VIRTIO_F_NOTIFICATION_DATA) and index in self.rings
        idx = self.rings[index].avail_idx if data else 0
        self.slot.write(VIRTIO_MMIO_QUEUE_NOTIFY, 4, index | idx << 16)
        self.slot.settle()
        self.model.write(VIRTIO_MMIO_QUEUE_NOTIFY, index)
        self.model.settle()

    @rule(bits=st.sampled_from((0, 1, 2, 3, 0xFFFF_FFFF)))
    def acknowledge(self, bits: int) -> None:
        """Acknowledge interrupts, those that are there or not."""
        self.write(VIRTIO_MMIO_INTERRUPT_ACK, bits)

    @rule(pages=numbers)
    def claim(self, pages: int) -> None:
        """Write `actual`."""
        self.write(ACTUAL, pages)

    # What the host does.

    @rule(pages=st.integers(0, 3))
    def set_target(self, pages: int) -> None:
        """Ask for a balloon."""
        self.balloon.set_target(pages)
        self.model.set_num_pages(pages)

    @precondition(lambda self: self.model.status & BROKEN)
    @rule()
    def reset(self) -> None:
        """Reset the machine, which cures everything."""
        self.slot.host_reset()
        self.model.reset()

    @rule()
    def save_and_restore(self) -> None:
        """Go on with another device in the same state."""
        slot = self.fresh()
        slot.memory.ram[:] = self.slot.memory.ram
        slot.mmio.restore(self.slot.mmio.save())
        self.slot = slot
        for ring in self.rings.values():
            ring.dut = slot

    # What holds after each step.

    @invariant()
    def registers_read_the_same(self) -> None:
        """All registers that the model knows, and the wire."""
        expected = self.model.reads()
        assert {offset: self.slot.read(offset, 4) for offset in expected} == expected
        assert self.slot.irq() == (self.model.interrupts != 0)

    @invariant()
    def rings_have_come_as_far(self) -> None:
        """Used indices of the queues in use."""
        for index, ring in self.rings.items():
            queue = self.model.queues[index]
            if queue.ready:
                assert ring.used_idx == queue.used, f"queue {index}"

    @property
    def align(self) -> int:
        """The alignment of used rings."""
        raise NotImplementedError

    def enable(self, desc: int, size: int) -> None:
        """Enable the selected queue, whose ring is at `desc`."""
        raise NotImplementedError


class ModernMachine(TransportMachine):
    """Version 2."""

    interface = "modern"
    model_class = ModernModel
    align = 4
    odd_registers = (
        VIRTIO_MMIO_DEVICE_FEATURES_SEL,
        VIRTIO_MMIO_QUEUE_NUM,
        VIRTIO_MMIO_QUEUE_READY,
        VIRTIO_MMIO_QUEUE_READY,
        VIRTIO_MMIO_QUEUE_RESET,
        VIRTIO_MMIO_QUEUE_RESET,
        *PARTS,
    )

    def enable(self, desc: int, size: int) -> None:
        """Write three addresses and QueueReady."""
        avail, used, _ = layout(desc, size, self.align)
        for part, addr in zip(PARTS, (desc, avail, used), strict=True):
            self.write(part, addr)
        self.write(VIRTIO_MMIO_QUEUE_READY, 1)

    @invariant()
    def generation_tells_of_changes(self) -> None:
        """Where num_pages reads another value, ConfigGeneration does as well."""
        pages, generation = self.slot.read(NUM_PAGES, 4), self.slot.read(VIRTIO_MMIO_CONFIG_GENERATION, 4)
        assert pages == self.seen[0] or generation != self.seen[1]
        self.seen = (pages, generation)


class LegacyMachine(TransportMachine):
    """Version 1."""

    interface = "legacy"
    model_class = LegacyModel
    align = 4096
    odd_registers = (
        VIRTIO_MMIO_DEVICE_FEATURES_SEL,
        VIRTIO_MMIO_QUEUE_NUM,
        VIRTIO_MMIO_QUEUE_ALIGN,
        VIRTIO_MMIO_QUEUE_PFN,
        VIRTIO_MMIO_QUEUE_PFN,
        VIRTIO_MMIO_GUEST_PAGE_SIZE,
    )

    def enable(self, desc: int, size: int) -> None:
        """Write alignment and QueuePFN; the page size is known from long ago."""
        self.write(VIRTIO_MMIO_QUEUE_ALIGN, self.align)
        self.write(VIRTIO_MMIO_QUEUE_PFN, desc // 4096)


def run(machine: type[TransportMachine], examples: int) -> None:
    """Run a machine through this many sequences."""
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=50))


@pytest.mark.parametrize("machine", [ModernMachine, LegacyMachine])
def test_a_transport_is_what_its_model_is(machine: type[TransportMachine]) -> None:
    """Status, features, queues, interrupts, configuration and suspending agree with the model."""
    run(machine, 80)


@pytest.mark.campaign
@pytest.mark.parametrize("machine", [ModernMachine, LegacyMachine])
def test_campaign_of_transports(machine: type[TransportMachine]) -> None:
    """The same for many more sequences."""
    run(machine, 3000)
