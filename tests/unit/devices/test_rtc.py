"""Goldfish RTC: a clock in virtual time, and its alarm."""

from hypothesis import given
from hypothesis import strategies as st

from devices.rtc import RTC_EPOCH_NS, GoldfishRtc
from hv.conformance.ours import Wire

TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH = 0x00, 0x04, 0x08, 0x0C
IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT = 0x10, 0x14, 0x18, 0x1C

NS = st.integers(0, 1 << 62)


class Bench:
    """An RTC with a virtual clock that the test moves, and the accesses of Linux's driver."""

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.irq = Wire()
        self.announced: list[int | None] = []
        self.rtc = GoldfishRtc(
            self.irq, lambda: self.now, lambda: self.announced.append(self.rtc.next_deadline_ns())
        )

    def time(self) -> int:
        """Read the clock as drivers do, low half first."""
        low = self.rtc.read(TIME_LOW, 4)
        return self.rtc.read(TIME_HIGH, 4) << 32 | low

    def set_pair(self, low: int, value: int) -> None:
        """Write a pair of registers as drivers do, high half first."""
        self.rtc.write(low + 4, 4, value >> 32)
        self.rtc.write(low, 4, value & 0xFFFF_FFFF)

    def advance(self, now: int) -> None:
        """Move virtual time."""
        self.now = now
        self.rtc.advance(now)


@given(start=NS, step=NS, set_to=NS)
def test_the_clock_counts_virtual_time_from_what_was_set(start: int, step: int, set_to: int) -> None:
    """It starts at the epoch, counts nanoseconds of virtual time, and counts on from a new setting."""
    bench = Bench(start)
    assert bench.time() == RTC_EPOCH_NS + start
    bench.set_pair(TIME_LOW, set_to)
    bench.advance(start + step)
    assert bench.time() == set_to + step


def test_time_high_belongs_to_the_last_read_of_time_low() -> None:
    """A carry between the two reads does not tear the clock."""
    bench = Bench()
    bench.set_pair(TIME_LOW, 0x1_FFFF_FFFF)
    assert bench.rtc.read(TIME_LOW, 4) == 0xFFFF_FFFF
    bench.advance(1)
    assert bench.rtc.read(TIME_HIGH, 4) == 1
    assert bench.time() == 0x2_0000_0000


@given(now=NS, delay=st.integers(1, 1 << 62))
def test_an_alarm_is_due_at_its_moment_and_not_before(now: int, delay: int) -> None:
    """The device announces the virtual time of its alarm, raises the wire exactly then, and once."""
    bench = Bench(now)
    bench.rtc.write(IRQ_ENABLED, 4, 1)
    bench.set_pair(ALARM_LOW, bench.time() + delay)
    assert bench.rtc.next_deadline_ns() == now + delay
    assert bench.announced == [now + delay]
    assert bench.rtc.read(ALARM_STATUS, 4) == 1
    bench.advance(now + delay - 1)
    assert not bench.irq.level
    bench.advance(now + delay)
    assert bench.irq.level
    assert bench.rtc.next_deadline_ns() is None
    assert bench.rtc.read(ALARM_STATUS, 4) == 0
    bench.rtc.write(CLEAR_INTERRUPT, 4, 1)
    bench.advance(now + 2 * delay)
    assert not bench.irq.level


@given(now=NS, ago=st.integers(0, RTC_EPOCH_NS))
def test_an_alarm_in_the_past_fires_at_once(now: int, ago: int) -> None:
    """Arming an alarm for a time that has come is an interrupt; there is nothing left to wait for."""
    bench = Bench(now)
    bench.rtc.write(IRQ_ENABLED, 4, 1)
    bench.set_pair(ALARM_LOW, bench.time() - ago)
    assert bench.irq.level
    assert bench.rtc.next_deadline_ns() is None


def test_a_cleared_alarm_does_not_fire() -> None:
    """CLEAR_ALARM disarms; the alarm's registers keep what was written."""
    bench = Bench()
    bench.rtc.write(IRQ_ENABLED, 4, 1)
    bench.set_pair(ALARM_LOW, RTC_EPOCH_NS + 5)
    bench.rtc.write(CLEAR_ALARM, 4, 1)
    bench.advance(10)
    assert not bench.irq.level
    assert bench.rtc.read(ALARM_HIGH, 4) << 32 | bench.rtc.read(ALARM_LOW, 4) == RTC_EPOCH_NS + 5


def test_the_interrupt_waits_for_its_enable() -> None:
    """An alarm that fired while the interrupt was off raises the wire when it is turned on."""
    bench = Bench()
    bench.set_pair(ALARM_LOW, 0)
    assert not bench.irq.level
    bench.rtc.write(IRQ_ENABLED, 4, 1)
    assert bench.irq.level
