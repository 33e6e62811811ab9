"""CLINT: the hart's timer and software interrupt as memory."""

from hypothesis import given
from hypothesis import strategies as st

from devices.clint import Clint
from hv.conformance.ours import Wire
from tests.harness.timer import StoppedTimer

MSIP, MTIMECMP, MTIME = 0x0, 0x4000, 0xBFF8
TICKS = st.integers(0, (1 << 64) - 1)


@given(now=TICKS, deadline=TICKS)
def test_timer_registers_show_and_set_the_harts_timer(now: int, deadline: int) -> None:
    """mtime and mtimecmp are the hart's, in one access of 8 bytes or two of 4."""
    timer = StoppedTimer()
    clint = Clint(timer, Wire())
    clint.write(MTIME, 8, now)
    clint.write(MTIMECMP + 4, 4, deadline >> 32)
    clint.write(MTIMECMP, 4, deadline & 0xFFFF_FFFF)
    assert (timer.now, timer.deadline) == (now, deadline)
    assert clint.read(MTIME, 8) == now
    assert clint.read(MTIMECMP + 4, 4) << 32 | clint.read(MTIMECMP, 4) == deadline


@given(value=st.integers(0, (1 << 32) - 1))
def test_msip_is_bit_0(value: int) -> None:
    """Only bit 0 of MSIP exists; it is the wire into the hart."""
    wire = Wire()
    clint = Clint(StoppedTimer(), wire)
    clint.write(MSIP, 4, value)
    assert clint.read(MSIP, 4) == value & 1
    assert wire.level == bool(value & 1)
