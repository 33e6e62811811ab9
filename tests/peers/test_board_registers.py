"""Our board devices against QEMU's: the same stores, then the same loads.

Both boards stand at virtual time 0, so no answer depends on the host. Sequences are random, and stay where
QEMU 7.2 and the data sheets agree; where they do not, ours follow the data sheet, and tests of their own
pin both answers.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.clint import CLINT_REGISTERS
from devices.plic import plic_registers
from devices.power import PowerAction, PowerRequest
from devices.register import Register
from devices.rtc import RTC_EPOCH_NS, RTC_REGISTERS
from devices.uart import UART_REGISTERS
from hv import board
from hv.qemu.stopped import PeerGoneError
from tests.peers.board import MIP_MEIP, MIP_SEIP, OurBoard, QemuBoard

pytestmark = pytest.mark.peers

Access = tuple[str, int, int, int]
"""("load" or "store", physical address, bytes, value)."""

PRIORITY, PENDING, ENABLE, THRESHOLD, CLAIM = (
    board.PLIC.base + offset for offset in (0x0, 0x1000, 0x2000, 0x20_0000, 0x20_0004)
)
ENABLE_STRIDE, CONTEXT_STRIDE = 0x80, 0x1000
M, S = 0, 1
"""Contexts of the PLIC."""
DATA, IER, IIR, LCR, MCR, LSR = range(board.UART.base, board.UART.base + 6)
FCR = IIR
TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH, IRQ_ENABLED, _, _, CLEAR_INTERRUPT = range(
    board.RTC.base, board.RTC.base + 0x20, 4
)
MTIMECMP = board.CLINT.base + 0x4000
UART_IRQ, RTC_IRQ = board.UART.irq, board.RTC.irq


@pytest.fixture(scope="module")
def peer() -> Iterator[QemuBoard]:
    """QEMU's board, in whatever state the last test left it."""
    with QemuBoard() as qemu:
        yield qemu


class Boards:
    """Both boards, reset, to be driven in step.

    A system reset of QEMU leaves mtimecmp, FCR and the RTC's time as they were; they are set by hand.
    """

    def __init__(self, peer: QemuBoard) -> None:
        self.ours = OurBoard()
        self.qemu = peer
        peer.reset()
        peer.sent()
        self.store(MTIMECMP, 0, 8)
        self.store(FCR, 0, 1)
        self.store(TIME_HIGH, RTC_EPOCH_NS >> 32)
        self.store(TIME_LOW, RTC_EPOCH_NS & 0xFFFF_FFFF)
        self.load(TIME_LOW)

    def store(self, address: int, value: int, size: int = 4) -> None:
        """Store on both."""
        self.ours.write(address, size, value)
        self.qemu.write(address, size, value)

    def load(self, address: int, size: int = 4) -> int:
        """Load from both, and return the answer on which they agree."""
        ours, theirs = self.ours.read(address, size), self.qemu.read(address, size)
        assert ours == theirs, f"{address:#x}: ours {ours:#x}, QEMU's {theirs:#x}"
        return ours

    def run(self, steps: list[Access]) -> None:
        """Do the steps; every load must agree."""
        for verb, address, size, value in steps:
            if verb == "load":
                self.load(address, size)
            else:
                self.store(address, value, size)

    def line(self, irq: int, drive: Callable[[], object]) -> bool:
        """Return whether the wire of a source is high, on which both agree.

        QEMU's wires cannot be seen. But a pending bit that was claimed away comes back when the device drives
        its wire high again, so `drive` is an access that makes QEMU's device do so.
        """
        self.store(PRIORITY + 4 * irq, 1)
        self.store(ENABLE, 1 << irq)
        self.qemu.read(CLAIM, 4)
        self.qemu.write(CLAIM, 4, irq)
        drive()
        ours, theirs = self.ours.line(irq), bool(self.qemu.read(PENDING, 4) >> irq & 1)
        assert ours == theirs, f"the line is {ours}, QEMU's {theirs}"
        return ours


ANY_VALUE = st.one_of(st.integers(0, 255), st.integers(0, (1 << 64) - 1))


def accesses(
    region: board.Region,
    registers: tuple[Register, ...],
    values: st.SearchStrategy[int] = ANY_VALUE,
) -> st.SearchStrategy[Access]:
    """Return a strategy of loads and stores at a table's registers, with the widths that it gives."""
    cells = set()
    for register in registers:
        for offset, _ in register.copies():
            cells.add((region.base + offset, register.width))
            if register.width == 8:
                cells |= {(region.base + offset, 4), (region.base + offset + 4, 4)}
    return st.builds(
        lambda verb, cell, value: (verb, *cell, value & (1 << 8 * cell[1]) - 1),
        st.sampled_from(("load", "store")),
        st.sampled_from(sorted(cells)),
        values,
    )


@given(steps=st.lists(accesses(board.CLINT, CLINT_REGISTERS), max_size=30))
def test_clint(peer: QemuBoard, steps: list[Access]) -> None:
    """msip, mtimecmp and mtime keep and show the same, whole and in halves."""
    Boards(peer).run(steps)


@given(steps=st.lists(accesses(board.RTC, RTC_REGISTERS), max_size=30))
def test_rtc(peer: QemuBoard, steps: list[Access]) -> None:
    """Clock, latch, alarm, status and interrupt line are the same."""
    boards = Boards(peer)
    boards.run(steps)
    boards.line(RTC_IRQ, lambda: boards.store(IRQ_ENABLED, boards.load(IRQ_ENABLED)))


ONE_BIT = st.integers(0, 5).map(lambda bit: 1 << bit)
UART_VALUES = st.one_of(st.just(0), ONE_BIT, ONE_BIT.map(lambda bit: bit | 1), st.integers(0, 0x3F))
"""Neither a receive trigger above one byte nor DLAB, which has a test of its own."""


@given(steps=st.lists(accesses(board.UART, UART_REGISTERS, UART_VALUES), max_size=60))
def test_uart(peer: QemuBoard, steps: list[Access]) -> None:
    """Registers, loopback, interrupt causes, line and output are the same, with the trigger at one byte.

    Above one byte the timeout differs: `test_a_fifo_below_its_trigger`.
    """
    boards = Boards(peer)
    boards.run(steps)
    boards.store(LCR, 0, 1)
    boards.line(UART_IRQ, lambda: boards.load(DATA, 1))
    assert boards.qemu.sent() == boards.ours.sent


@given(divisor=st.integers(0, 0xFFFF), lcr=st.integers(0, 0x7F))
def test_uart_divisor(peer: QemuBoard, divisor: int, lcr: int) -> None:
    """The divisor hides behind DLAB, and keeps what was stored."""
    boards = Boards(peer)
    boards.store(LCR, lcr | 0x80, 1)
    boards.store(DATA, divisor & 0xFF, 1)
    boards.store(IER, divisor >> 8, 1)
    assert boards.load(DATA, 1) | boards.load(IER, 1) << 8 == divisor
    boards.store(LCR, lcr, 1)
    assert boards.load(IER, 1) == 0
    assert boards.load(LCR, 1) == lcr
    assert boards.qemu.sent() == boards.ours.sent == b""


@given(data=st.binary(min_size=1, max_size=60), fifo=st.booleans())
def test_uart_receives(peer: QemuBoard, data: bytes, fifo: bool) -> None:
    """What the host sends is read in order on both, without overruns, however little room there is."""
    boards = Boards(peer)
    boards.store(FCR, int(fifo), 1)
    boards.ours.uart.receive(data)
    boards.qemu.serial.sendall(data)
    for byte in data:
        boards.qemu.wait_until(LSR, 0x01)
        assert boards.load(LSR, 1) == 0x61
        assert boards.load(DATA, 1) == byte
    assert boards.load(LSR, 1) == 0x60


@pytest.mark.parametrize(("code", "trigger"), [(1, 4), (2, 8), (3, 14)])
def test_a_fifo_below_its_trigger(peer: QemuBoard, code: int, trigger: int) -> None:
    """From the trigger on both report received data; below it ours reports the timeout at once.

    QEMU waits four character times, which never pass at virtual time 0.
    """
    boards = Boards(peer)
    boards.store(FCR, 1 | code << 6, 1)
    boards.store(IER, 0x01, 1)
    boards.store(MCR, 0x10, 1)
    for count in range(1, 17):
        boards.store(DATA, count, 1)
        if count < trigger:
            assert (boards.ours.read(IIR, 1), boards.qemu.read(IIR, 1)) == (0xCC, 0xC1)
        else:
            assert boards.load(IIR, 1) == 0xC4
    assert [boards.load(DATA, 1) for _ in range(16)] == [*range(1, 17)]


@given(
    steps=st.lists(
        accesses(board.PLIC, plic_registers(board.PLIC_SOURCES, 2), ANY_VALUE.map(lambda value: value & ~1)),
        max_size=40,
    )
)
def test_plic_registers(peer: QemuBoard, steps: list[Access]) -> None:
    """Priorities, enables and thresholds keep the same bits, and with no wire high nothing is claimed."""
    Boards(peer).run(steps)


class Driver:
    """What a kernel does with the PLIC: configures it, and serves what interrupts it."""

    def __init__(self, boards: Boards) -> None:
        self.boards = boards

    def wire(self, irq: int, level: bool) -> None:
        """Make the UART (transmitter empty) or the RTC (an alarm of long ago) drive its wire."""
        if irq == UART_IRQ:
            self.boards.store(IER, 0, 1)
            self.boards.store(IER, 2 * level, 1)
        elif level:
            self.boards.store(IRQ_ENABLED, 1)
            self.boards.store(ALARM_LOW, 0)
        else:
            self.boards.store(CLEAR_INTERRUPT, 1)

    def serve(self, context: int) -> None:
        """Claim, make the device drop its wire, complete, until the context is no longer interrupted."""
        while self.boards.ours.external_interrupts() & (MIP_MEIP, MIP_SEIP)[context]:
            irq = self.boards.load(CLAIM + CONTEXT_STRIDE * context)
            assert irq
            assert self.interrupts()
            self.wire(irq, False)
            self.boards.store(CLAIM + CONTEXT_STRIDE * context, irq)

    def interrupts(self) -> bool:
        """Whether both boards interrupt the hart in the same modes."""
        return self.boards.ours.external_interrupts() == self.boards.qemu.external_interrupts()


irqs = st.sampled_from((UART_IRQ, RTC_IRQ))
contexts = st.sampled_from((M, S))
driver_steps = st.one_of(
    st.tuples(st.just("priority"), irqs, st.integers(0, 7)),
    st.tuples(st.just("enable"), contexts, st.frozensets(irqs).map(lambda on: sum(1 << irq for irq in on))),
    st.tuples(st.just("threshold"), contexts, st.integers(0, 7)),
    st.tuples(st.just("wire"), irqs, st.integers(0, 1)),
    st.tuples(st.just("serve"), contexts, st.just(0)),
)


@given(steps=st.lists(driver_steps, max_size=30))
def test_plic_serves_a_driver(peer: QemuBoard, steps: list[tuple[str, int, int]]) -> None:
    """Two devices, two contexts, any priorities: the same interrupts are claimed in the same order."""
    driver = Driver(Boards(peer))
    store = driver.boards.store
    for irq in (UART_IRQ, RTC_IRQ):
        store(PRIORITY + 4 * irq, 1)
    store(ENABLE + ENABLE_STRIDE * S, 1 << UART_IRQ | 1 << RTC_IRQ)
    for step, which, value in steps:
        match step:
            case "priority":
                store(PRIORITY + 4 * which, value)
            case "enable":
                store(ENABLE + ENABLE_STRIDE * which, value)
                store(
                    PRIORITY + 4, 0
                )  # a change of enables alone does not make QEMU drive the context's wire
            case "threshold":
                store(THRESHOLD + CONTEXT_STRIDE * which, value)
            case "wire":
                driver.wire(which, bool(value))
            case "serve":
                driver.serve(which)
        assert driver.interrupts(), step
        driver.boards.load(PENDING)


def raised(boards: Boards) -> None:
    """Let the UART's wire be high, with priority 1 and enabled for the M context."""
    boards.store(PRIORITY + 4 * UART_IRQ, 1)
    boards.store(ENABLE, 1 << UART_IRQ)
    boards.store(IER, 2, 1)


def source_0(boards: Boards) -> int:
    """Bit 0 of an enable word is nobody's source and reads 0 (PLIC specification, interrupt enables)."""
    boards.store(ENABLE, 1)
    return ENABLE


def unserved(boards: Boards) -> int:
    """A wire that is still high at completion is a new request at once (PLIC specification, gateways)."""
    raised(boards)
    boards.store(CLAIM, boards.load(CLAIM))
    return PENDING


def disabled(boards: Boards) -> int:
    """Completion of a source that the context does not enable is ignored (PLIC specification, completion)."""
    raised(boards)
    boards.load(CLAIM)
    boards.store(IER, 0, 1)
    boards.store(ENABLE, 0)
    boards.store(CLAIM, UART_IRQ)
    boards.store(ENABLE, 1 << UART_IRQ)
    boards.store(IER, 2, 1)
    return CLAIM


def masked(boards: Boards) -> int:
    """The threshold does not hide a request from a claim (PLIC specification, claim)."""
    raised(boards)
    boards.store(THRESHOLD, 7)
    return CLAIM


@pytest.mark.parametrize(
    ("prepare", "ours", "theirs"),
    [
        (source_0, 0, 1),
        (unserved, 1 << UART_IRQ, 0),
        (disabled, 0, UART_IRQ),
        (masked, UART_IRQ, 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_departures(peer: QemuBoard, prepare: Callable[[Boards], int], ours: int, theirs: int) -> None:
    """Where QEMU 7.2 differs from the specification, ours is the specification's PLIC."""
    if peer.qmp.version != (7, 2):
        pytest.skip(f"pins the answers of QEMU 7.2; this is {peer.qmp.version}")
    boards = Boards(peer)
    address = prepare(boards)
    assert (boards.ours.read(address, 4), boards.qemu.read(address, 4)) == (ours, theirs)


@given(
    value=st.integers(0, (1 << 32) - 1).filter(lambda value: value & 0xFFFF not in (0x5555, 0x7777, 0x3333))
)
def test_finisher_ignores(peer: QemuBoard, value: int) -> None:
    """A value that the finisher does not know does nothing, and it reads 0."""
    boards = Boards(peer)
    boards.store(board.TEST.base, value)
    assert boards.load(board.TEST.base) == 0
    assert boards.load(board.TEST.base, 2) == 0
    assert boards.ours.requests == []


def test_finisher_resets(peer: QemuBoard) -> None:
    """0x7777 resets the machine."""
    boards = Boards(peer)
    boards.store(board.TEST.base, 0x7777)
    assert peer.qmp.wait_event("RESET")["reason"] == "guest-reset"
    assert boards.ours.requests == [PowerRequest(PowerAction.RESET)]


@pytest.mark.parametrize(("value", "code"), [(0x5555, 0), (0x2A_5555, 0), (0x3333, 0), (0x2A_3333, 42)])
def test_finisher_ends(value: int, code: int) -> None:
    """0x5555 ends the machine with success, 0x3333 with the code in the upper half."""
    ours = OurBoard()
    ours.write(board.TEST.base, 4, value)
    action = PowerAction.FAIL if value & 0xFFFF == 0x3333 else PowerAction.POWEROFF
    assert ours.requests == [PowerRequest(action, code)]
    with QemuBoard() as qemu:
        with pytest.raises(PeerGoneError):
            qemu.write(board.TEST.base, 4, value)
        assert qemu.wait_exit() == code
