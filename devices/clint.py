"""SiFive CLINT: software interrupt and timer registers of one hart.

The timer counts in the hart, because virtual time is the hart's; this device only shows `mtime` and
`mtimecmp` where machine-mode software looks for them. Whether MTIP is pending (mtime >= mtimecmp) is the
hart's own business. MSIP is a wire into the hart.

Source: SiFive FU540-C000 manual, chapter 9; QEMU's `hw/intc/riscv_aclint.c`. Like QEMU's, mtime can be
written.
"""

from typing import Protocol

from devices.irq import IrqLine
from devices.register import Register, RegisterDevice
from devices.state import Fields, State

CLINT_SIZE = 0x1_0000

CLINT_REGISTERS = (
    Register(0x0000, "MSIP"),  # bit 0: machine software interrupt pending
    Register(0x4000, "MTIMECMP", width=8),
    Register(0xBFF8, "MTIME", width=8),
)


class Timer(Protocol):
    """The hart's timer; ticks of mtime, 64 bits unsigned."""

    def mtime(self) -> int:
        """Return the time now."""

    def set_mtime(self, ticks: int) -> None:
        """Set the clock; it counts on from `ticks`."""

    def mtimecmp(self) -> int:
        """Return the time from which on MTIP is pending."""

    def set_mtimecmp(self, ticks: int) -> None:
        """Set the time from which on MTIP is pending."""


class Clint(RegisterDevice):
    """The registers of hart 0. `timer` keeps its own state; what is saved here is MSIP."""

    def __init__(self, timer: Timer, msip: IrqLine) -> None:
        super().__init__(CLINT_SIZE, CLINT_REGISTERS)
        self._timer = timer
        self._msip_line = msip
        self._msip = False

    def read_msip(self) -> int:
        """Bit 0: software interrupt pending."""
        return int(self._msip)

    def write_msip(self, value: int) -> None:
        """Raise or drop the software interrupt by bit 0."""
        self._msip = bool(value & 1)
        self._msip_line.set_level(self._msip)

    def read_mtimecmp(self) -> int:
        """Time from which on MTIP is pending."""
        return self._timer.mtimecmp()

    def write_mtimecmp(self, value: int) -> None:
        """Set the time from which on MTIP is pending."""
        self._timer.set_mtimecmp(value)

    def read_mtime(self) -> int:
        """Time now."""
        return self._timer.mtime()

    def write_mtime(self, value: int) -> None:
        """Set the time."""
        self._timer.set_mtime(value)

    def save(self) -> State:
        """Return MSIP; the timer is saved with the hart."""
        return {"msip": self._msip}

    def restore(self, state: State) -> None:
        """Take over a saved MSIP and drive the wire; raises StateError."""
        self._msip = Fields(state, "clint", ("msip",)).boolean("msip")
        self._msip_line.set_level(self._msip)
