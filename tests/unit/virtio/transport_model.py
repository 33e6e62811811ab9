"""Virtio over MMIO as the specification tells it, without a device: what a driver may expect to read.

A model takes the same writes as a transport and is let work by `settle`. It is naive on purpose: a queue is
two counts, an interrupt decision looks at every position by itself.
"""

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_NOTIFY_ON_EMPTY,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_SUSPEND,
    VIRTIO_F_VERSION_1,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_AVAIL_LOW,
    VIRTIO_MMIO_QUEUE_DESC_LOW,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_STATUS,
    VIRTIO_RING_F_EVENT_IDX,
)

NUM_PAGES = VIRTIO_MMIO_CONFIG
ACTUAL = VIRTIO_MMIO_CONFIG + 4

_U32 = 0xFFFF_FFFF


class QueueModel:
    """A queue as its driver set it up, and how far driver and device have come in its ring."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = most
        self.parts = dict.fromkeys(PARTS, 0)
        self.align = 4096
        self.pfn = 0
        self.ready = False
        self.start()

    def start(self) -> None:
        """Begin with an empty ring."""
        self.available = 0
        self.used = 0
        self.no_interrupt = False
        self.used_event = 0


PARTS = (VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_USED_LOW)


class TransportModel:
    """What both interfaces share.

    Args:
        offered: feature bits.
        queue_sizes: the most entries of each queue, 0 where there is none.
        ram: addresses that are RAM.
    """

    def __init__(self, offered: int, queue_sizes: tuple[int, ...], ram: range) -> None:
        self.offered = offered
        self.queue_sizes = queue_sizes
        self.ram = ram
        self.num_pages = 0
        self.actual = 0
        self.reset()

    def reset(self) -> None:
        """Forget all that the driver wrote, but for its claim in the configuration space."""
        self.status = 0
        self.interrupts = 0
        self.features = 0
        self.device_features_sel = 0
        self.driver_features_sel = 0
        self.queue_sel = 0
        self.notified: set[int] = set()
        self.queues = [QueueModel(most) for most in self.queue_sizes]

    def reads(self) -> dict[int, int]:
        """Return what registers read now."""
        sel = self.device_features_sel
        return {
            VIRTIO_MMIO_STATUS: self.status,
            VIRTIO_MMIO_INTERRUPT_STATUS: self.interrupts,
            VIRTIO_MMIO_DEVICE_FEATURES: self.offered >> 32 * min(sel, 4) & _U32,
            VIRTIO_MMIO_QUEUE_NUM_MAX: self.selected().most,
            NUM_PAGES: self.num_pages,
            ACTUAL: self.actual,
        }

    def write(self, offset: int, value: int) -> None:
        """Take a write of 32 bits."""
        queue = self.selected()
        if offset == VIRTIO_MMIO_STATUS:
            self.write_status(value)
        elif offset == VIRTIO_MMIO_DEVICE_FEATURES_SEL:
            self.device_features_sel = value
        elif offset == VIRTIO_MMIO_DRIVER_FEATURES_SEL:
            self.driver_features_sel = value
        elif offset == VIRTIO_MMIO_DRIVER_FEATURES:
            if not self.features_final() and self.driver_features_sel < 4:
                shift = 32 * self.driver_features_sel
                self.features = self.features & ~(_U32 << shift) | value << shift
        elif offset == VIRTIO_MMIO_QUEUE_SEL:
            self.queue_sel = value
        elif offset == VIRTIO_MMIO_QUEUE_NUM:
            if not queue.ready:
                queue.size = value
        elif offset == VIRTIO_MMIO_QUEUE_NOTIFY:
            if value < len(self.queues) and self.queues[value].most:
                self.notified.add(value)
        elif offset == VIRTIO_MMIO_INTERRUPT_ACK:
            self.interrupts &= ~value
        elif offset == ACTUAL:
            self.actual = value
        else:
            self.write_other(offset, value, queue)

    def settle(self) -> None:
        """Do what was asked for, as far as the device may."""
        for index in sorted(self.notified):
            if self.running() and not self.status & VIRTIO_CONFIG_S_NEEDS_RESET:
                self.notified.discard(index)
                if self.queues[index].ready:
                    self.serve(self.queues[index])

    def serve(self, queue: QueueModel) -> None:
        """Give all chains back that are in the ring, or ask for a reset if there cannot be as many."""
        if queue.available - queue.used > queue.size:
            self.needs_reset()
            return
        done = range(queue.used, queue.available)
        queue.used = queue.available
        if self.has(VIRTIO_F_NOTIFY_ON_EMPTY):
            wanted = True
        elif self.has(VIRTIO_RING_F_EVENT_IDX):
            wanted = queue.used_event in done
        else:
            wanted = not queue.no_interrupt
        if done and wanted:
            self.interrupts |= VIRTIO_MMIO_INT_VRING

    def set_num_pages(self, pages: int) -> None:
        """The host has a new target."""
        if pages != self.num_pages:
            self.num_pages = pages
            self.tell_of_config()

    def tell_of_config(self) -> None:
        """Notify a driver that has set DRIVER_OK of a configuration change."""
        if self.status & VIRTIO_CONFIG_S_DRIVER_OK:
            self.interrupts |= VIRTIO_MMIO_INT_CONFIG

    def needs_reset(self) -> None:
        """Something is so wrong that only a reset helps."""
        self.status |= VIRTIO_CONFIG_S_NEEDS_RESET
        self.tell_of_config()

    def has(self, feature: int) -> bool:
        """Whether the driver chose a feature."""
        return bool(self.features >> feature & 1)

    def selected(self) -> QueueModel:
        """Return the selected queue; one that there is not has no entries, and forgets what it is told."""
        return self.queues[self.queue_sel] if self.queue_sel < len(self.queues) else QueueModel(0)

    def enable(self, queue: QueueModel, desc: int, avail: int, used: int) -> None:
        """Take a queue into use if it can be."""
        size = queue.size
        parts = ((desc, 16 * size, 16), (avail, 6 + 2 * size, 2), (used, 6 + 8 * size, 4))
        good = size in [1 << n for n in range(16)] and size <= queue.most
        for addr, length, align in parts:
            good = good and addr % align == 0 and addr in self.ram and addr + length - 1 in self.ram
        if good:
            queue.ready = True
            queue.start()
        else:
            self.needs_reset()

    def disable(self, queue: QueueModel) -> None:
        """Leave a queue alone from now on."""
        queue.ready = False
        self.notified -= {index for index, each in enumerate(self.queues) if each is queue}

    def write_status(self, value: int) -> None:
        """Take a write to Status."""
        raise NotImplementedError

    def write_other(self, offset: int, value: int, queue: QueueModel) -> None:
        """Take a write to a register of one interface, with the selected queue."""
        raise NotImplementedError

    def features_final(self) -> bool:
        """Whether features cannot be chosen any more."""
        raise NotImplementedError

    def running(self) -> bool:
        """Whether the device may look at queues."""
        raise NotImplementedError


class ModernModel(TransportModel):
    """Version 2."""

    def reset(self) -> None:
        """Forget the suspension as well."""
        super().reset()
        self.suspended = False
        self.shown = 0
        self.missed = False

    def reads(self) -> dict[int, int]:
        """Add this interface's registers; a suspended device shows the configuration of that moment."""
        queue = self.selected()
        reads = super().reads() | {VIRTIO_MMIO_QUEUE_READY: queue.ready, VIRTIO_MMIO_QUEUE_RESET: 0}
        return reads | {NUM_PAGES: self.shown} if self.suspended else reads

    def write(self, offset: int, value: int) -> None:
        """A suspended device ignores writes to its configuration."""
        if not (self.suspended and offset == ACTUAL):
            super().write(offset, value)

    def write_status(self, value: int) -> None:
        """Set what may be set next, bit by bit."""
        if value == 0:
            self.reset()
            return
        was_live = self.status & VIRTIO_CONFIG_S_DRIVER_OK
        self.status |= value & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_FAILED)
        if self.status & VIRTIO_CONFIG_S_ACKNOWLEDGE:
            self.status |= value & VIRTIO_CONFIG_S_DRIVER
        acceptable = self.features & ~self.offered == 0 and self.has(VIRTIO_F_VERSION_1)
        if self.status & VIRTIO_CONFIG_S_DRIVER and acceptable:
            self.status |= value & VIRTIO_CONFIG_S_FEATURES_OK
        if value & VIRTIO_CONFIG_S_SUSPEND and was_live and self.has(VIRTIO_F_SUSPEND):
            self.status = self.status & ~VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND
            self.suspended = True
            self.shown = self.num_pages
        elif value & VIRTIO_CONFIG_S_DRIVER_OK and self.status & VIRTIO_CONFIG_S_FEATURES_OK:
            self.status = self.status & ~VIRTIO_CONFIG_S_SUSPEND | VIRTIO_CONFIG_S_DRIVER_OK
            if self.suspended and (self.missed or self.status & VIRTIO_CONFIG_S_NEEDS_RESET):
                self.tell_of_config()
            self.suspended = self.missed = False

    def write_other(self, offset: int, value: int, queue: QueueModel) -> None:
        """Take what places, enables and resets a queue."""
        negotiated = self.status & VIRTIO_CONFIG_S_FEATURES_OK
        if offset in PARTS and not queue.ready:
            queue.parts[offset] = value
        elif offset == VIRTIO_MMIO_QUEUE_READY and value == 0:
            self.disable(queue)
        elif not queue.most or not negotiated or value != 1:
            pass
        elif offset == VIRTIO_MMIO_QUEUE_READY and not queue.ready:
            self.enable(queue, *queue.parts.values())
        elif offset == VIRTIO_MMIO_QUEUE_RESET and self.has(VIRTIO_F_RING_RESET):
            self.disable(queue)
            self.queues[self.queue_sel] = QueueModel(queue.most)

    def tell_of_config(self) -> None:
        """Keep it back while suspended."""
        self.missed |= self.suspended
        super().tell_of_config()

    def features_final(self) -> bool:
        """From FEATURES_OK on."""
        return bool(self.status & VIRTIO_CONFIG_S_FEATURES_OK)

    def running(self) -> bool:
        """From DRIVER_OK on."""
        return bool(self.status & VIRTIO_CONFIG_S_DRIVER_OK)


class LegacyModel(TransportModel):
    """Version 1."""

    page_size = 0

    def reads(self) -> dict[int, int]:
        """Add this interface's registers."""
        queue = self.selected()
        return super().reads() | {VIRTIO_MMIO_QUEUE_PFN: queue.pfn if queue.ready else 0}

    def write(self, offset: int, value: int) -> None:
        """Take of the features what is offered."""
        super().write(offset, value)
        self.features &= self.offered

    def write_status(self, value: int) -> None:
        """Set what may be set next, bit by bit."""
        if value == 0:
            self.reset()
            return
        self.status |= value & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_FAILED)
        if self.status & VIRTIO_CONFIG_S_ACKNOWLEDGE:
            self.status |= value & VIRTIO_CONFIG_S_DRIVER
        if self.status & VIRTIO_CONFIG_S_DRIVER:
            self.status |= value & VIRTIO_CONFIG_S_DRIVER_OK

    def write_other(self, offset: int, value: int, queue: QueueModel) -> None:
        """Take what places a queue."""
        if offset == VIRTIO_MMIO_GUEST_PAGE_SIZE:
            self.page_size = value
        elif offset == VIRTIO_MMIO_QUEUE_ALIGN and not queue.ready:
            queue.align = value
        elif offset == VIRTIO_MMIO_QUEUE_PFN and value == 0:
            self.disable(queue)
        elif offset == VIRTIO_MMIO_QUEUE_PFN and queue.most and not queue.ready:
            queue.pfn = value
            self.place(queue)

    def place(self, queue: QueueModel) -> None:
        """Enable a queue of one piece."""
        powers = [1 << n for n in range(32)]
        if self.page_size not in powers or queue.align not in powers:
            self.needs_reset()
            return
        desc = queue.pfn * self.page_size
        avail = desc + 16 * queue.size
        used = avail + 6 + 2 * queue.size
        while used % queue.align:
            used += queue.align - used % queue.align
        self.enable(queue, desc, avail, used)

    def features_final(self) -> bool:
        """From DRIVER_OK on."""
        return bool(self.status & VIRTIO_CONFIG_S_DRIVER_OK)

    def running(self) -> bool:
        """Always: drivers of that time used a device before they were done."""
        return True
