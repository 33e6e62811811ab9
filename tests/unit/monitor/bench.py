"""A driver made by hand, under the monitor: right unless told otherwise.

Each step of a driver's life is a method. A rule's test takes the steps, does one of them wrongly or leaves it
out, and says which clauses that breaks; `RIGHT` and `WRONG` collect these tests.
"""

from collections.abc import Callable
from dataclasses import dataclass

from devices.virtio.balloon import ALL_FEATURES, Balloon
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_BALLOON_F_STATS_VQ,
    VIRTIO_F_ANY_LAYOUT,
    VIRTIO_F_VERSION_1,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_MAGIC_VALUE,
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
    VIRTIO_MMIO_VERSION,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.slot import Slot as AnySlot
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer, Ring
from hv.cpu.watch import AccessKind
from hv.monitor import Book, Monitor, Verdicts

A, D, OK, F = 1, 2, 4, 8
SUSPEND, FAILED = 16, 0x80
INFLATE, DEFLATE, STATS, HINT, REPORT = range(5)
VERSION_1, ANY_LAYOUT = 1 << VIRTIO_F_VERSION_1, 1 << VIRTIO_F_ANY_LAYOUT
PAGE = 4096
FIRST_PFN = RAM_BASE // PAGE
_EXTRA = {
    STATS: VIRTIO_BALLOON_F_STATS_VQ,
    HINT: VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    REPORT: VIRTIO_BALLOON_F_REPORTING,
}


class Bench:
    """A device, a driver made by hand, and the monitor between them.

    Attributes:
        now: virtual time, which only `wait` moves.
        rings: by queue.
    """

    def __init__(self, device: VirtioDevice | None = None, interface: str = "modern") -> None:
        self.device = device or Balloon(ALL_FEATURES)
        self.slot = Slot(self.device, interface=interface)
        self.legacy = interface == "legacy"
        self.now = 0
        self.rings: dict[int, Ring] = {}
        self.status = 0
        self._free = RAM_BASE + 64 * PAGE
        self._at: AnySlot = self.slot.mmio
        self._watch(self.slot.mmio)

    def _watch(self, slot: AnySlot) -> None:
        self._at = slot
        self.monitor = Monitor({"slot": slot}, Book(lambda: self.now, tuple), self.slot.memory)

    def replace(self, slot: AnySlot) -> None:
        """Put another slot in the place of the device's."""
        self._watch(slot)

    @property
    def verdicts(self) -> Verdicts:
        """What the monitor says; it settles what is overdue."""
        return self.monitor.verdicts

    # Accesses.

    def r(self, offset: int, size: int = 4) -> int:
        """Read a register."""
        return self._at.read(offset, size)

    def w(self, offset: int, value: int, size: int = 4) -> None:
        """Write a register."""
        self._at.write(offset, size, value)

    def cr(self, offset: int, size: int = 4) -> int:
        """Read of the configuration space."""
        return self.r(VIRTIO_MMIO_CONFIG + offset, size)

    def cw(self, offset: int, value: int, size: int = 4) -> None:
        """Write to the configuration space."""
        self.w(VIRTIO_MMIO_CONFIG + offset, value, size)

    def wait(self, ns: int) -> None:
        """Let virtual time pass."""
        self.now += ns

    def use(self, page: int, kind: AccessKind = AccessKind.STORE) -> None:
        """Be a guest that accesses a page which the sanitizer watches."""
        self.monitor.used(page, kind)

    # The steps of a driver.

    def discover(self) -> None:
        """Find out what is in the slot."""
        for offset in (VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION, VIRTIO_MMIO_DEVICE_ID):
            self.r(offset)

    def reset(self) -> None:
        """Reset the device and see it done."""
        self.w(VIRTIO_MMIO_STATUS, 0)
        while self.r(VIRTIO_MMIO_STATUS):
            pass
        self.status = 0
        self.rings.clear()

    def set(self, *bits: int) -> None:
        """Set status bits, one after the other."""
        for bit in bits:
            self.status |= bit
            self.w(VIRTIO_MMIO_STATUS, self.status)

    def offered(self) -> int:
        """Read what is offered."""
        words = (0,) if self.legacy else (0, 1)
        found = 0
        for word in words:
            self.w(VIRTIO_MMIO_DEVICE_FEATURES_SEL, word)
            found |= self.r(VIRTIO_MMIO_DEVICE_FEATURES) << 32 * word
        return found

    def accept(self, features: int) -> None:
        """Write what is accepted."""
        for word in (0,) if self.legacy else (0, 1):
            self.w(VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
            self.w(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32 * word & 0xFFFF_FFFF)

    def negotiate(self, features: int) -> None:
        """Accept features, VERSION_1 and MUST_TELL_HOST among them, and see them settled."""
        self.offered()
        told = 1 << VIRTIO_BALLOON_F_MUST_TELL_HOST if isinstance(self.device, Balloon) else 0
        self.accept(features | told | (ANY_LAYOUT if self.legacy else VERSION_1))
        if self.legacy:
            self.w(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE)
        else:
            self.set(F)
            self.r(VIRTIO_MMIO_STATUS)

    def place(self, index: int, size: int, desc: int, avail: int, used: int) -> None:
        """Describe a queue to the device."""
        self.w(VIRTIO_MMIO_QUEUE_SEL, index)
        assert self.r(VIRTIO_MMIO_QUEUE_NUM_MAX) >= size
        self.w(VIRTIO_MMIO_QUEUE_NUM, size)
        if self.legacy:
            self.w(VIRTIO_MMIO_QUEUE_ALIGN, PAGE)
            return
        for low, addr in (
            (VIRTIO_MMIO_QUEUE_DESC_LOW, desc),
            (VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail),
            (VIRTIO_MMIO_QUEUE_USED_LOW, used),
        ):
            self.w(low, addr & 0xFFFF_FFFF)
            self.w(low + 4, addr >> 32)

    def ring(self, index: int, size: int = 16) -> Ring:
        """Make a ring in fresh memory and describe it to the device."""
        ring = Ring(self.slot, self.take(16 * PAGE), size, PAGE if self.legacy else 4)
        self.place(index, size, ring.desc, ring.avail, ring.used)
        self.rings[index] = ring
        return ring

    def enable(self, index: int, size: int = 16) -> Ring:
        """Make a ring and let the device use it."""
        ring = self.ring(index, size)
        if self.legacy:
            self.w(VIRTIO_MMIO_QUEUE_PFN, ring.desc // PAGE)
        else:
            self.w(VIRTIO_MMIO_QUEUE_READY, 1)
        return ring

    def begin(self) -> None:
        """Come as far as DRIVER."""
        self.discover()
        self.reset()
        self.set(A, D)

    def prepare(self, *features: int) -> None:
        """Come as far as all queues; `features` are bit numbers."""
        self.begin()
        self.negotiate(sum(1 << bit for bit in features))
        queues = [queue for queue, bit in _EXTRA.items() if bit in features]
        for index in (INFLATE, DEFLATE, *queues) if isinstance(self.device, Balloon) else (0,):
            self.enable(index)

    def up(self, *features: int) -> None:
        """Come as far as DRIVER_OK."""
        self.prepare(*features)
        self.set(OK)

    # What a driver does then.

    def take(self, length: int) -> int:
        """Return fresh memory."""
        addr = self._free
        self._free += -(-length // PAGE) * PAGE
        return addr

    def put(self, data: bytes) -> Buffer:
        """Place data in fresh memory, as a buffer that the device reads."""
        addr = self.take(len(data))
        self.slot.memory.write(addr, data)
        return Buffer(addr, len(data))

    def pfns(self, *pages: int) -> Buffer:
        """A buffer of page frame numbers; pages are counted from the start of RAM."""
        return self.put(b"".join((FIRST_PFN + page).to_bytes(4, "little") for page in pages))

    def add(self, queue: int, *buffers: Buffer) -> int:
        """Make a chain available."""
        head = self.rings[queue].chain(buffers)
        self.rings[queue].make_available(head)
        return head

    def notify(self, queue: int) -> None:
        """Notify a queue, and let the device work."""
        self.w(VIRTIO_MMIO_QUEUE_NOTIFY, queue)
        self.serve()

    def serve(self) -> None:
        """Let the device work."""
        self.monitor.look()
        self.slot.mmio.service()
        self.monitor.look()

    def send(self, queue: int, *buffers: Buffer) -> None:
        """Make a chain available and tell the device."""
        self.add(queue, *buffers)
        self.notify(queue)
        self.interrupt()

    def interrupt(self) -> None:
        """Handle an interrupt."""
        status = self.r(VIRTIO_MMIO_INTERRUPT_STATUS)
        if status:
            self.w(VIRTIO_MMIO_INTERRUPT_ACK, status)

    def actual(self, pages: int) -> None:
        """Report the size of the balloon."""
        self.cw(4, pages)


Play = Callable[[Bench], None]


@dataclass(frozen=True)
class Case:
    """A driver's life, and the clauses that it keeps or breaks."""

    clauses: frozenset[str]
    play: Play
    make: Callable[[], Bench]

    def __str__(self) -> str:
        return f"{self.play.__name__}-{'-'.join(sorted(self.clauses))}"


RIGHT: list[Case] = []
WRONG: list[Case] = []


def keeps(*clauses: str, make: Callable[[], Bench] = Bench) -> Callable[[Play], Play]:
    """Enter a driver that breaks nothing, and keeps these clauses."""
    return lambda play: RIGHT.append(Case(frozenset(clauses), play, make)) or play


def breaks(*clauses: str, make: Callable[[], Bench] = Bench) -> Callable[[Play], Play]:
    """Enter a driver that breaks these clauses, and no others."""
    return lambda play: WRONG.append(Case(frozenset(clauses), play, make)) or play


def legacy() -> Bench:
    """A balloon on the legacy interface."""
    return Bench(interface="legacy")
