"""A driver without a guest: it sees registers and RAM, as a driver does, through a device under test.

`Driver` initialises the device and keeps one `Ring` for each queue. Everything is as explicit as a hostile
test needs: buffers are addresses, and what is forbidden can be done. `driver.dut` is the host's side.
"""

import struct
from collections import deque
from collections.abc import Iterable, Sequence

from devices.virtio.constants import (
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_BALLOON_F_STATS_VQ,
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_VERSION_1,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
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
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_QUEUE_USED_LOW,
    VIRTIO_MMIO_STATUS,
    VRING_USED_ALIGN_SIZE,
)
from hv.conformance import names
from hv.conformance.dut import RAM_BASE, Dut, NotOfferedError
from hv.conformance.ring import Buffer, Ring, layout

S_DRIVER = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER
S_FEATURES_OK = S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK
S_DRIVER_OK = S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK
S_LEGACY_OK = S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK
"""The status of a legacy device at work: it knows no FEATURES_OK."""

F_VERSION_1 = 1 << VIRTIO_F_VERSION_1

_REMEMBERED = 24
"""Accesses to registers that a failing test shows."""

_BROUGHT = {
    VIRTIO_BALLOON_F_STATS_VQ: 2,
    VIRTIO_BALLOON_F_FREE_PAGE_HINT: 3,
    VIRTIO_BALLOON_F_REPORTING: 4,
}
"""Features of a balloon -> the queue that each brings."""

_WORDS = 2
"""Words of features that a device of our kinds can offer; QEMU takes those beyond for the second."""
_U32 = 0xFFFF_FFFF
_PAGE_SIZE = 4096


class Driver:
    """A driver on a device under test, which it lets work after each notification.

    Attributes:
        dut: the device, and its host.
        device: its kind.
        legacy: whether this is the interface of version 1.
        accepted: the feature bits that it chose last.
        rings: those that `set_up_queue` made, by queue.
        log: the last accesses to registers, for people.
    """

    def __init__(self, dut: Dut, device: str = "balloon", interface: str = "modern") -> None:
        self.dut = dut
        self.device = device
        self.legacy = interface == "legacy"
        self.accepted = 0
        self.rings: dict[int, Ring] = {}
        self.log: deque[str] = deque(maxlen=_REMEMBERED)
        self._free = RAM_BASE

    def __repr__(self) -> str:
        return f"{self.device}-{'legacy' if self.legacy else 'modern'}"

    # Registers and memory.

    def read(self, offset: int, size: int = 4) -> int:
        """Read a register, of 32 bits unless told otherwise."""
        value = self.dut.read(offset, size)
        self.log.append(f"read  {names.register(offset):<20} {size} -> {value:#x}")
        return value

    def write(self, offset: int, value: int, size: int = 4) -> None:
        """Write a register, of 32 bits unless told otherwise."""
        self.log.append(f"write {names.register(offset):<20} {size} <- {value:#x}")
        self.dut.write(offset, size, value)

    def config(self, offset: int, size: int = 4) -> int:
        """Read a field of the configuration space."""
        return self.read(VIRTIO_MMIO_CONFIG + offset, size)

    def write_config(self, offset: int, value: int, size: int = 4) -> None:
        """Write a field of the configuration space and let the device take note."""
        self.write(VIRTIO_MMIO_CONFIG + offset, value, size)
        self.dut.settle()

    def take(self, length: int, align: int = _PAGE_SIZE) -> int:
        """Return the address of fresh guest memory."""
        addr = -(-self._free // align) * align
        self._free = addr + length
        return addr

    def put(self, data: bytes, align: int = _PAGE_SIZE) -> int:
        """Place data into fresh guest memory and return their address."""
        addr = self.take(len(data), align)
        self.dut.write_memory(addr, data)
        return addr

    # Initialization.

    @property
    def status(self) -> int:
        """The device status."""
        return self.read(VIRTIO_MMIO_STATUS)

    @status.setter
    def status(self, value: int) -> None:
        self.write(VIRTIO_MMIO_STATUS, value)
        self.dut.settle()

    @property
    def align(self) -> int:
        """The alignment of used rings."""
        return _PAGE_SIZE if self.legacy else VRING_USED_ALIGN_SIZE

    @property
    def working(self) -> int:
        """The status of a device that works."""
        return S_LEGACY_OK if self.legacy else S_DRIVER_OK

    def reset(self) -> None:
        """Reset the device, and forget the rings."""
        self.status = 0
        self.rings.clear()

    def offered(self) -> int:
        """Return the feature bits that the device offers."""
        return sum(self.feature_word(word) << 32 * word for word in range(1 if self.legacy else _WORDS))

    def feature_word(self, word: int) -> int:
        """Return a word of 32 offered features."""
        self.write(VIRTIO_MMIO_DEVICE_FEATURES_SEL, word)
        return self.read(VIRTIO_MMIO_DEVICE_FEATURES)

    def require(self, *features: int) -> int:
        """Return feature numbers as bits, if the device offers them all; raises NotOfferedError."""
        offered = self.offered()
        for feature in features:
            if not offered >> feature & 1:
                raise NotOfferedError(f"{names.feature(self.device, feature)} is not offered")
        return sum(1 << feature for feature in features)

    def accept(self, features: int) -> None:
        """Write the driver's features: the words that our kinds of devices have, and others if not zero."""
        self.accepted = features
        words = 1 if self.legacy else max(_WORDS, -(-features.bit_length() // 32))
        for word in range(words):
            self.write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
            self.write(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32 * word & _U32)

    def negotiate(self, features: int) -> bool:
        """Go from reset to FEATURES_OK; return whether the device took the features.

        A legacy device has no way to refuse them, and is told its page size here.
        """
        self.reset()
        self.status = VIRTIO_CONFIG_S_ACKNOWLEDGE
        self.status = S_DRIVER
        self.accept(features)
        if self.legacy:
            self.write(VIRTIO_MMIO_GUEST_PAGE_SIZE, _PAGE_SIZE)
            return True
        self.status = S_FEATURES_OK
        return self.status == S_FEATURES_OK

    def queue_max(self, index: int) -> int:
        """Return the largest size of a queue, which becomes the selected one; 0 where there is none."""
        self.write(VIRTIO_MMIO_QUEUE_SEL, index)
        return self.read(VIRTIO_MMIO_QUEUE_NUM_MAX)

    def each_queue(self, queues: Iterable[int], register: int) -> dict[int, int]:
        """Return what a register reads with each of the queues selected."""
        found = {}
        for index in queues:
            self.write(VIRTIO_MMIO_QUEUE_SEL, index)
            found[index] = self.read(register)
        return found

    def set_layout(self, index: int, size: int, desc: int, avail: int, used: int) -> None:
        """Write size and addresses of a queue, which becomes the selected one."""
        self.write(VIRTIO_MMIO_QUEUE_SEL, index)
        self.write(VIRTIO_MMIO_QUEUE_NUM, size)
        for register, addr in (
            (VIRTIO_MMIO_QUEUE_DESC_LOW, desc),
            (VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail),
            (VIRTIO_MMIO_QUEUE_USED_LOW, used),
        ):
            self.write(register, addr & _U32)
            self.write(register + 4, addr >> 32)

    def place_queue(self, index: int, size: int, addr: int) -> None:
        """Tell the device that a ring of this size is at `addr`, and enable the queue."""
        if self.legacy:
            self.write(VIRTIO_MMIO_QUEUE_SEL, index)
            self.write(VIRTIO_MMIO_QUEUE_NUM, size)
            self.write(VIRTIO_MMIO_QUEUE_ALIGN, _PAGE_SIZE)
            self.write(VIRTIO_MMIO_QUEUE_PFN, addr // _PAGE_SIZE)
        else:
            avail, used, _ = layout(addr, size, self.align)
            self.set_layout(index, size, addr, avail, used)
            self.write(VIRTIO_MMIO_QUEUE_READY, 1)

    def set_up_queue(self, index: int, size: int) -> Ring:
        """Place a ring in fresh memory and enable the queue."""
        _, _, length = layout(0, size, self.align)
        in_order = bool(self.accepted >> VIRTIO_F_IN_ORDER & 1)
        ring = Ring(self.dut, self.take(length), size, self.align, in_order)
        self.place_queue(index, size, ring.desc)
        self.rings[index] = ring
        return ring

    def queues(self) -> list[int]:
        """Return the specification's numbers of the queues that the accepted features bring."""
        if self.device == "block":
            return [0]
        return [0, 1, *(queue for feature, queue in _BROUGHT.items() if self.accepted >> feature & 1)]

    def set_up_queues(self, size: int = 16) -> None:
        """Enable every queue that the accepted features bring, with at most `size` descriptors."""
        for index in self.queues():
            self.set_up_queue(index, min(size, self.queue_max(index)))

    def start(self, features: int = 0, size: int = 16) -> None:
        """Initialise the device with these features, VERSION_1 where there is one, and all its queues."""
        taken = self.negotiate(features if self.legacy else features | F_VERSION_1)
        assert taken, f"the device refuses the features {features:#x}, which it must take"
        self.set_up_queues(size)
        self.status = self.working

    # Operation.

    def notify(self, index: int) -> None:
        """Notify a queue, with what NOTIFICATION_DATA wants if it was accepted, and let the device work."""
        with_data = self.accepted >> VIRTIO_F_NOTIFICATION_DATA & 1 and index in self.rings
        self.write(
            VIRTIO_MMIO_QUEUE_NOTIFY, index | self.rings[index].avail_idx << 16 if with_data else index
        )
        self.dut.settle()

    def submit(self, index: int, buffers: Sequence[Buffer]) -> tuple[int, int]:
        """Make one chain available, notify, and return what came back: (head, used length)."""
        ring = self.rings[index]
        head = ring.chain(buffers)
        ring.make_available(head)
        self.notify(index)
        done = ring.reap()
        assert [each for each, _ in done] == [head], f"queue {index}: {done} came back, not {head}"
        return done[0]

    def interrupts(self) -> int:
        """Return InterruptStatus and acknowledge it."""
        status = self.read(VIRTIO_MMIO_INTERRUPT_STATUS)
        self.write(VIRTIO_MMIO_INTERRUPT_ACK, status)
        return status

    # One harmless request, whatever the device.

    def request(self) -> tuple[int, Sequence[Buffer]]:
        """Return a queue and the buffers of a request that this kind of device can carry out.

        A balloon is given one page; a disk is asked for its first sector.
        """
        if self.device == "balloon":
            page = self.take(_PAGE_SIZE)
            return 0, [Buffer(self.put(struct.pack("<I", page // _PAGE_SIZE)), 4)]
        header = self.put(struct.pack("<IIQ", 0, 0, 0))
        return 0, [Buffer(header, 16), Buffer(self.take(512), 512, True), Buffer(self.take(1), 1, True)]

    def serves(self) -> bool:
        """Return whether the device carries out a request and says so."""
        index, buffers = self.request()
        ring = self.rings[index]
        head = ring.chain(buffers)
        ring.make_available(head)
        self.notify(index)
        return [each for each, _ in ring.reap()] == [head]
