"""16550A UART: bytes in order, and interrupts when a driver expects them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.state import StateError
from devices.uart import (
    UART_FCR_CLEAR_RCVR,
    UART_FCR_ENABLE_FIFO,
    UART_IER_RDI,
    UART_IER_RLSI,
    UART_IER_THRI,
    UART_IIR_FIFO_ENABLED,
    UART_IIR_NO_INT,
    UART_IIR_RDI,
    UART_IIR_RLSI,
    UART_IIR_RX_TIMEOUT,
    UART_IIR_THRI,
    UART_LSR_DR,
    UART_LSR_OE,
    UART_MCR_LOOP,
    Uart,
)
from hv.conformance.ours import Wire

DATA, IER, IIR, LCR, MCR, LSR = range(6)
FCR = IIR


class Bench:
    """A UART with what the guest sent, what its wire does, and byte accesses."""

    def __init__(self) -> None:
        self.irq = Wire()
        self.sent = bytearray()
        self.uart = Uart(self.irq, self.sent.append)

    def read(self, offset: int) -> int:
        """Load a byte."""
        return self.uart.read(offset, 1)

    def write(self, offset: int, value: int) -> None:
        """Store a byte."""
        self.uart.write(offset, 1, value)

    def cause(self) -> int:
        """Return the interrupt's cause without the FIFO bits; the wire must agree with it."""
        level = self.irq.level
        cause = self.read(IIR) & ~UART_IIR_FIFO_ENABLED
        assert level == (cause != UART_IIR_NO_INT)
        return cause


@given(
    fcr=st.sampled_from((0, *(UART_FCR_ENABLE_FIFO | trigger << 6 for trigger in range(4)))),
    steps=st.lists(st.one_of(st.binary(max_size=40), st.integers(0, 40)), max_size=20),
)
def test_all_input_arrives_once_and_in_order(fcr: int, steps: list[bytes | int]) -> None:
    """However the host's bytes and the guest's reads interleave, no byte is lost, doubled or late."""
    bench = Bench()
    bench.write(FCR, fcr)
    bench.write(IER, UART_IER_RDI)
    sent = bytearray()
    got = bytearray()
    for step in [*steps, 1 << 16]:
        if isinstance(step, bytes):
            sent += step
            bench.uart.receive(step)
        else:
            for _ in range(step):
                if not bench.read(LSR) & UART_LSR_DR:
                    break
                assert bench.cause() in (UART_IIR_RDI, UART_IIR_RX_TIMEOUT)
                got.append(bench.read(DATA))
        assert bool(bench.read(LSR) & UART_LSR_DR) == bench.irq.level == (len(got) < len(sent))
        assert not bench.read(LSR) & UART_LSR_OE
    assert got == sent


@given(data=st.binary(), size=st.sampled_from((1, 2, 4, 8)))
def test_output_leaves_at_once(data: bytes, size: int) -> None:
    """Each byte stored, with an access of any width, is transmitted before the store returns."""
    bench = Bench()
    for count, byte in enumerate(data, start=1):
        bench.uart.write(DATA, size, 0x5500 | byte)
        assert bench.sent == data[:count]


def test_transmitter_empty_interrupts_once_for_each_byte() -> None:
    """THRI is due when enabled and after each byte sent; reading it in IIR acknowledges it."""
    bench = Bench()
    bench.write(IER, UART_IER_THRI)
    assert bench.cause() == UART_IIR_THRI
    assert bench.cause() == UART_IIR_NO_INT
    bench.write(DATA, ord("x"))
    assert bench.cause() == UART_IIR_THRI
    assert bench.cause() == UART_IIR_NO_INT
    bench.write(IER, UART_IER_THRI)
    assert bench.cause() == UART_IIR_NO_INT
    bench.write(IER, 0)
    bench.write(IER, UART_IER_THRI)
    assert bench.cause() == UART_IIR_THRI


@pytest.mark.parametrize(("code", "trigger"), [(0, 1), (1, 4), (2, 8), (3, 14)])
def test_bytes_below_the_trigger_are_a_timeout(code: int, trigger: int) -> None:
    """A FIFO at its trigger level is received data; below it, with the line idle, a character timeout."""
    bench = Bench()
    bench.write(FCR, UART_FCR_ENABLE_FIFO | code << 6)
    bench.write(IER, UART_IER_RDI)
    bench.uart.receive(bytes(trigger - 1))
    assert bench.cause() == (UART_IIR_RX_TIMEOUT if trigger > 1 else UART_IIR_NO_INT)
    bench.uart.receive(b"x")
    assert bench.cause() == UART_IIR_RDI


def test_received_data_is_more_urgent_than_an_empty_transmitter() -> None:
    """With both due the driver sees the data first, then the transmitter."""
    bench = Bench()
    bench.write(IER, UART_IER_RDI | UART_IER_THRI)
    bench.uart.receive(b"x")
    assert bench.cause() == UART_IIR_RDI
    assert bench.read(DATA) == ord("x")
    assert bench.cause() == UART_IIR_THRI


def test_loopback_returns_output_and_overruns() -> None:
    """In loopback nothing leaves, the host's bytes wait, and a 17th byte is an overrun told once."""
    bench = Bench()
    bench.write(FCR, UART_FCR_ENABLE_FIFO)
    bench.write(IER, UART_IER_RLSI)
    bench.write(MCR, UART_MCR_LOOP)
    bench.uart.receive(b"host")
    assert not bench.read(LSR) & UART_LSR_DR
    for byte in range(17):
        bench.write(DATA, byte)
    assert not bench.sent
    assert bench.cause() == UART_IIR_RLSI
    assert bench.read(LSR) & (UART_LSR_OE | UART_LSR_DR) == UART_LSR_OE | UART_LSR_DR
    assert bench.cause() == UART_IIR_NO_INT
    assert [bench.read(DATA) for _ in range(17)] == [*range(16), 0]
    bench.write(MCR, 0)
    assert bytes(bench.read(DATA) for _ in range(4)) == b"host"


def test_clearing_the_receive_fifo_drops_only_what_is_in_it() -> None:
    """A driver that clears the FIFO loses its 16 bytes, as on hardware; what waits behind them moves up."""
    bench = Bench()
    bench.write(FCR, UART_FCR_ENABLE_FIFO)
    bench.uart.receive(bytes(range(20)))
    bench.write(FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR)
    assert [bench.read(DATA) for _ in range(5)] == [16, 17, 18, 19, 0]


def test_the_divisor_hides_behind_dlab() -> None:
    """With DLAB set the data and IER offsets are the divisor, and neither sends nor enables anything."""
    bench = Bench()
    bench.write(LCR, 0x83)
    bench.write(DATA, 0x01)
    bench.write(IER, 0x02)
    assert (bench.read(DATA), bench.read(IER)) == (0x01, 0x02)
    bench.write(LCR, 0x03)
    assert bench.read(IER) == 0
    assert not bench.sent
    assert not bench.irq.level


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("fcr", 0x02, "has bits outside 0xc9"), ("fifo", b"ab", "2 bytes while FIFOs are off")],
)
def test_a_state_that_no_uart_can_be_in_is_refused(field: str, value: object, reason: str) -> None:
    """Fields that contradict each other are a StateError that names one of them."""
    uart = Bench().uart
    with pytest.raises(StateError, match=rf"uart\.{field}: .*{reason}"):
        uart.restore({**uart.save(), field: value})
