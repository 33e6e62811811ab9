"""Virtual time: the clock counts the bytes of code that were executed.

The only thing that a run may depend on is its inputs, so time is the guest's own work, not the host's. An
instruction is about 3.5 bytes, which makes 256 bytes a tick of 100 ns about 730 million instructions a
virtual second: with a much slower scale a guest would take several times as many timer interrupts for the
same work.

A block counts when it is entered. "Now" is therefore the clock at its entry, and everything that time causes
(a timer interrupt, the end of a slice) happens between two blocks, before the one that would start at or
after the due time.
"""

from hv.cpu.internals import ENV_MIP
from hv.cpu.intrinsics import load32, load64, native, store32, store64
from hv.cpu.riscv import MTIP
from hv.cpu.state import (
    BUDGET,
    DEADLINE,
    ENV,
    INTERRUPT_REQUEST,
    MTIME_OFFSET,
    MTIMECMP,
    NEVER,
)

BYTES_PER_TICK_SHIFT = 8
BYTES_PER_TICK = 1 << BYTES_PER_TICK_SHIFT
"""Bytes of code in a tick of mtime."""

NS_PER_TICK = 100
"""mtime counts at 10 MHz."""

BYTES_PER_CYCLE_SHIFT = 2
"""The cycle and instret CSRs count one for four bytes of code."""

SIGN = -1 << 63
"""Adding it turns an unsigned comparison into a signed one."""

CPU_INTERRUPT_HARD = 2


def to_ns(clock: int) -> int:
    """Convert bytes of code to virtual nanoseconds, rounded down."""
    return clock * NS_PER_TICK >> BYTES_PER_TICK_SHIFT


def from_ns(ns: int) -> int:
    """Convert virtual nanoseconds to the first clock value at which they are over."""
    return -(-(ns << BYTES_PER_TICK_SHIFT) // NS_PER_TICK)


def ticks(clock: int) -> int:
    """Convert bytes of code to whole ticks."""
    return clock >> BYTES_PER_TICK_SHIFT


@native
def set_pending(s: int, bits: int, level: int) -> None:
    """Set or clear bits of mip; the CPU looks at them when it leaves its chain of blocks."""
    env = load64(s + ENV)
    mip = load64(env + ENV_MIP)
    store64(env + ENV_MIP, mip | bits if level else mip & ~bits)
    if level:
        request = load64(s + INTERRUPT_REQUEST)
        store32(request, load32(request) | CPU_INTERRUPT_HARD)


@native
def mtime(s: int, clock: int) -> int:
    """Return mtime (64 bits, as a signed number) at a clock value."""
    return (clock >> BYTES_PER_TICK_SHIFT) + load64(s + MTIME_OFFSET)


@native
def update_timer(s: int, clock: int) -> int:
    """Make MTIP what it is at `clock`, set the next deadline, return when the timer fires (or NEVER)."""
    now = mtime(s, clock)
    due = load64(s + MTIMECMP)
    fires = NEVER
    if now + SIGN >= due + SIGN:
        set_pending(s, 1 << MTIP, 1)
    else:
        set_pending(s, 1 << MTIP, 0)
        ticks = due - now
        if 0 < ticks < NEVER >> BYTES_PER_TICK_SHIFT + 1:
            fires = ((clock >> BYTES_PER_TICK_SHIFT) + ticks) << BYTES_PER_TICK_SHIFT
    store64(s + DEADLINE, min(fires, load64(s + BUDGET)))
    return fires
