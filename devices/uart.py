"""16550A UART (`ns16550a`): the guest's console.

The line is infinitely fast. A byte that the guest writes has left before the next instruction, so the
transmitter is always empty; what the guest sends goes to `transmit`. What the host sends waits in a queue
without limit and moves up as the guest reads, so no input is ever lost to an overrun. As soon as the queue
is empty the line counts as idle: bytes below the receive trigger raise the character timeout at once, not
after four character times. The divisor, and the line's format, are kept but mean nothing. Modem inputs are
wired active.

Source: National Semiconductor PC16550D data sheet; QEMU's `hw/char/serial.c`; names are those of Linux's
`serial_reg.h`. Each register is a byte; a wider access is one access to the register at its address.
"""

from collections.abc import Callable

from devices.irq import IrqLine
from devices.register import Register, RegisterDevice
from devices.state import Fields, State

UART_SIZE = 0x100

_ANY = (1, 2, 4, 8)

UART_REGISTERS = (
    Register(0, "RBR", "r", 1, _ANY),  # DLL while LCR.DLAB is set
    Register(0, "THR", "w", 1, _ANY),
    Register(1, "IER", "rw", 1, _ANY),  # DLM while LCR.DLAB is set
    Register(2, "IIR", "r", 1, _ANY),
    Register(2, "FCR", "w", 1, _ANY),
    Register(3, "LCR", "rw", 1, _ANY),
    Register(4, "MCR", "rw", 1, _ANY),
    Register(5, "LSR", "r", 1, _ANY),
    Register(6, "MSR", "r", 1, _ANY),
    Register(7, "SCR", "rw", 1, _ANY),
)

UART_IER_RDI = 0x01
UART_IER_THRI = 0x02
UART_IER_RLSI = 0x04

UART_IIR_NO_INT = 0x01
UART_IIR_THRI = 0x02
UART_IIR_RDI = 0x04
UART_IIR_RLSI = 0x06
UART_IIR_RX_TIMEOUT = 0x0C
UART_IIR_FIFO_ENABLED = 0xC0

UART_FCR_ENABLE_FIFO = 0x01
UART_FCR_CLEAR_RCVR = 0x02
UART_FCR_CLEAR_XMIT = 0x04
UART_FCR_KEPT = 0xC9
"""Bits of FCR that last: enable, DMA select, trigger."""

UART_LCR_DLAB = 0x80

UART_MCR_DTR = 0x01
UART_MCR_RTS = 0x02
UART_MCR_OUT1 = 0x04
UART_MCR_OUT2 = 0x08
UART_MCR_LOOP = 0x10

UART_LSR_DR = 0x01
UART_LSR_OE = 0x02
UART_LSR_THRE = 0x20
UART_LSR_TEMT = 0x40

UART_MSR_CTS = 0x10
UART_MSR_DSR = 0x20
UART_MSR_RI = 0x40
UART_MSR_DCD = 0x80

UART_FIFO_SIZE = 16

_TRIGGER = (1, 4, 8, 14)
"""Bytes in the FIFO that raise the receive interrupt, by FCR bits 7:6."""

_LOOPED = (
    (UART_MCR_DTR, UART_MSR_DSR),
    (UART_MCR_RTS, UART_MSR_CTS),
    (UART_MCR_OUT1, UART_MSR_RI),
    (UART_MCR_OUT2, UART_MSR_DCD),
)
"""Which modem output feeds which input in loopback."""


class Uart(RegisterDevice):
    """The UART. `transmit` gets each byte (0..255) that the guest sends, inside the guest's store."""

    def __init__(self, irq: IrqLine, transmit: Callable[[int], None]) -> None:
        super().__init__(UART_SIZE, UART_REGISTERS)
        self._irq = irq
        self._transmit = transmit
        self._backlog = bytearray()
        self._fifo = bytearray()  # at most one byte while FIFOs are off
        self._rbr = 0  # the last byte received while FIFOs were off
        self._overrun = False
        self._thr_empty = False  # the interrupt of that name is due
        self._divisor = 12
        self._ier = 0
        self._fcr = 0
        self._lcr = 0
        self._mcr = UART_MCR_OUT2
        self._scr = 0

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, any number; the guest gets them in order."""
        self._backlog += data
        self._fill()
        self._update_irq()

    def read_rbr(self) -> int:
        """The oldest byte received; an empty FIFO reads 0, without FIFOs the last byte stays."""
        if self._lcr & UART_LCR_DLAB:
            return self._divisor & 0xFF
        if self._fcr & UART_FCR_ENABLE_FIFO:
            byte = self._fifo.pop(0) if self._fifo else 0
        else:
            byte = self._rbr
            self._fifo.clear()
        self._fill()
        self._update_irq()
        return byte

    def write_thr(self, value: int) -> None:
        """Send a byte."""
        if self._lcr & UART_LCR_DLAB:
            self._divisor = self._divisor & 0xFF00 | value
            return
        if self._mcr & UART_MCR_LOOP:
            self._push(value)
        else:
            self._transmit(value)
        self._thr_empty = True
        self._update_irq()

    def read_ier(self) -> int:
        """Which interrupts are enabled."""
        return self._divisor >> 8 if self._lcr & UART_LCR_DLAB else self._ier

    def write_ier(self, value: int) -> None:
        """Enable interrupts. Turning THRI on makes it due again even if reading IIR had acknowledged it."""
        if self._lcr & UART_LCR_DLAB:
            self._divisor = self._divisor & 0xFF | value << 8
            return
        if (value ^ self._ier) & UART_IER_THRI:
            self._thr_empty = bool(value & UART_IER_THRI)
        self._ier = value & 0x0F
        self._update_irq()

    def read_iir(self) -> int:
        """The interrupt that is due, most urgent first; reading THRI acknowledges it."""
        cause = self._cause()
        if cause == UART_IIR_THRI:
            self._thr_empty = False
            self._update_irq()
        return cause | (UART_IIR_FIFO_ENABLED if self._fcr & UART_FCR_ENABLE_FIFO else 0)

    def write_fcr(self, value: int) -> None:
        """Control the FIFOs; turning them on or off empties them."""
        if (value ^ self._fcr) & UART_FCR_ENABLE_FIFO:
            value |= UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT
        if value & UART_FCR_CLEAR_RCVR:
            self._fifo.clear()
        if value & UART_FCR_CLEAR_XMIT:
            self._thr_empty = True
        self._fcr = value & UART_FCR_KEPT
        self._fill()
        self._update_irq()

    def read_lcr(self) -> int:
        """Format of the line, and DLAB."""
        return self._lcr

    def write_lcr(self, value: int) -> None:
        """Set the format of the line, and DLAB."""
        self._lcr = value

    def read_mcr(self) -> int:
        """Modem outputs, and loopback."""
        return self._mcr

    def write_mcr(self, value: int) -> None:
        """Set the modem outputs, and loopback: what is sent is received, and the host's bytes wait."""
        self._mcr = value & 0x1F
        self._fill()
        self._update_irq()

    def read_lsr(self) -> int:
        """State of the line; reading acknowledges an overrun."""
        lsr = UART_LSR_THRE | UART_LSR_TEMT
        if self._fifo:
            lsr |= UART_LSR_DR
        if self._overrun:
            lsr |= UART_LSR_OE
            self._overrun = False
            self._update_irq()
        return lsr

    def read_msr(self) -> int:
        """Modem inputs: carrier, data set ready, clear to send, and no changes; the outputs in loopback."""
        if self._mcr & UART_MCR_LOOP:
            return sum(status for control, status in _LOOPED if self._mcr & control)
        return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS

    def read_scr(self) -> int:
        """The scratch byte."""
        return self._scr

    def write_scr(self, value: int) -> None:
        """Set the scratch byte."""
        self._scr = value

    def save(self) -> State:
        """Return registers, FIFO and the host's bytes that still wait."""
        return {
            "backlog": bytes(self._backlog),
            "fifo": bytes(self._fifo),
            "rbr": self._rbr,
            "overrun": self._overrun,
            "thr_empty": self._thr_empty,
            "divisor": self._divisor,
            "ier": self._ier,
            "fcr": self._fcr,
            "lcr": self._lcr,
            "mcr": self._mcr,
            "scr": self._scr,
        }

    def restore(self, state: State) -> None:
        """Take over a saved UART and drive the wire; raises StateError."""
        names = (
            *("backlog", "fifo", "rbr", "overrun", "thr_empty", "divisor"),
            *("ier", "fcr", "lcr", "mcr", "scr"),
        )
        fields = Fields(state, "uart", names)
        backlog = fields.data("backlog", 0, 1 << 32)
        fifo = fields.data("fifo", 0, UART_FIFO_SIZE)
        rbr = fields.integer("rbr", 0, 0xFF)
        overrun = fields.boolean("overrun")
        thr_empty = fields.boolean("thr_empty")
        divisor = fields.integer("divisor", 0, 0xFFFF)
        ier = fields.integer("ier", 0, 0x0F)
        fcr = fields.integer("fcr", 0, UART_FCR_KEPT)
        lcr = fields.integer("lcr", 0, 0xFF)
        mcr = fields.integer("mcr", 0, 0x1F)
        scr = fields.integer("scr", 0, 0xFF)
        if fcr & ~UART_FCR_KEPT:
            raise fields.fail("fcr", f"{fcr:#x} has bits outside {UART_FCR_KEPT:#x}")
        if len(fifo) > 1 and not fcr & UART_FCR_ENABLE_FIFO:
            raise fields.fail("fifo", f"{len(fifo)} bytes while FIFOs are off")
        self._backlog[:] = backlog
        self._fifo[:] = fifo
        self._rbr = rbr
        self._overrun = overrun
        self._thr_empty = thr_empty
        self._divisor = divisor
        self._ier = ier
        self._fcr = fcr
        self._lcr = lcr
        self._mcr = mcr
        self._scr = scr
        self._update_irq()

    def _push(self, byte: int) -> None:
        """Receive one byte. An overrun drops the new byte of a full FIFO, and without FIFOs the old one."""
        if self._fcr & UART_FCR_ENABLE_FIFO:
            if len(self._fifo) == UART_FIFO_SIZE:
                self._overrun = True
            else:
                self._fifo.append(byte)
        else:
            self._overrun |= bool(self._fifo)
            self._fifo[:] = (byte,)
            self._rbr = byte

    def _fill(self) -> None:
        """Move the host's bytes up while there is room and the line is not looped back."""
        room = UART_FIFO_SIZE if self._fcr & UART_FCR_ENABLE_FIFO else 1
        while self._backlog and len(self._fifo) < room and not self._mcr & UART_MCR_LOOP:
            self._push(self._backlog.pop(0))

    def _cause(self) -> int:
        """Return the IIR code of the most urgent interrupt that is due and enabled."""
        if self._overrun and self._ier & UART_IER_RLSI:
            return UART_IIR_RLSI
        if self._fifo and self._ier & UART_IER_RDI:
            waits = self._fcr & UART_FCR_ENABLE_FIFO and len(self._fifo) < _TRIGGER[self._fcr >> 6]
            return UART_IIR_RX_TIMEOUT if waits else UART_IIR_RDI
        if self._thr_empty and self._ier & UART_IER_THRI:
            return UART_IIR_THRI
        return UART_IIR_NO_INT

    def _update_irq(self) -> None:
        self._irq.set_level(self._cause() != UART_IIR_NO_INT)
