"""Goldfish RTC: a 64-bit clock in nanoseconds since 1970, with one alarm.

The clock is virtual time plus an offset. The offset starts at a constant, so that two runs of a guest see
the same dates. Reading TIME_LOW latches the high half for TIME_HIGH. Writing ALARM_LOW arms the alarm, so
drivers write ALARM_HIGH first; a time that is already past fires at once. An armed alarm keeps its moment
of virtual time when the guest then sets the clock.

The device has no thread: whoever runs the machine is told when an alarm is armed, asks `next_deadline_ns()`
and calls `advance()` when it is due.

Source: Android's GOLDFISH-VIRTUAL-HARDWARE.TXT; QEMU's `hw/rtc/goldfish_rtc.c`; Linux's `rtc-goldfish.c`.
"""

from collections.abc import Callable

from devices.irq import IrqLine
from devices.register import Register, RegisterDevice
from devices.state import Fields, State

RTC_SIZE = 0x1000

RTC_EPOCH_NS = 1_704_067_200 * 10**9
"""What the clock shows at virtual time 0: 2024-01-01T00:00:00Z."""

RTC_REGISTERS = (
    Register(0x00, "TIME_LOW"),  # a read latches TIME_HIGH
    Register(0x04, "TIME_HIGH"),
    Register(0x08, "ALARM_LOW"),  # a write arms the alarm
    Register(0x0C, "ALARM_HIGH"),
    Register(0x10, "IRQ_ENABLED"),
    Register(0x14, "CLEAR_ALARM", "w"),
    Register(0x18, "ALARM_STATUS", "r"),
    Register(0x1C, "CLEAR_INTERRUPT", "w"),
)

_LOW = 0xFFFF_FFFF
_MASK = (1 << 64) - 1
_DISARMED = -1
"""The deadline in saved state while no alarm is armed."""


class GoldfishRtc(RegisterDevice):
    """The clock.

    Args:
        irq: its interrupt.
        now_ns: tells virtual time, in ns since the machine was switched on.
        armed: called in the guest's store that arms an alarm.
    """

    def __init__(self, irq: IrqLine, now_ns: Callable[[], int], armed: Callable[[], None]) -> None:
        super().__init__(RTC_SIZE, RTC_REGISTERS)
        self._irq = irq
        self._now_ns = now_ns
        self._armed = armed
        self._offset = RTC_EPOCH_NS
        self._time_high = 0
        self._alarm = 0
        self._deadline: int | None = None
        self._irq_enabled = False
        self._irq_pending = False

    def next_deadline_ns(self) -> int | None:
        """Return the virtual time at which `advance()` is due, or None while no alarm is armed."""
        return self._deadline

    def advance(self, now_ns: int) -> None:
        """Fire the alarm if virtual time `now_ns` has reached it."""
        if self._deadline is not None and now_ns >= self._deadline:
            self._fire()

    def read_time_low(self) -> int:
        """Low half of the clock; latches the high half."""
        time = self._time()
        self._time_high = time >> 32
        return time & _LOW

    def write_time_low(self, value: int) -> None:
        """Set the low half of the clock."""
        self._set_time(self._time() & ~_LOW | value)

    def read_time_high(self) -> int:
        """High half of the clock, as of the last read of TIME_LOW."""
        return self._time_high

    def write_time_high(self, value: int) -> None:
        """Set the high half of the clock."""
        self._set_time(self._time() & _LOW | value << 32)

    def read_alarm_low(self) -> int:
        """Low half of the alarm."""
        return self._alarm & _LOW

    def write_alarm_low(self, value: int) -> None:
        """Set the low half of the alarm and arm it."""
        self._alarm = self._alarm & ~_LOW | value
        time = self._time()
        if self._alarm <= time:
            self._fire()
        else:
            self._deadline = min(self._now_ns() + self._alarm - time, _MASK)
            self._armed()

    def read_alarm_high(self) -> int:
        """High half of the alarm."""
        return self._alarm >> 32

    def write_alarm_high(self, value: int) -> None:
        """Set the high half of the alarm; nothing is armed yet."""
        self._alarm = self._alarm & _LOW | value << 32

    def read_irq_enabled(self) -> int:
        """Bit 0: the alarm drives the interrupt."""
        return int(self._irq_enabled)

    def write_irq_enabled(self, value: int) -> None:
        """Let the alarm drive the interrupt by bit 0."""
        self._irq_enabled = bool(value & 1)
        self._update_irq()

    def write_clear_alarm(self, _value: int) -> None:
        """Disarm the alarm; an interrupt that it already raised stays."""
        self._deadline = None

    def read_alarm_status(self) -> int:
        """Whether an alarm is armed."""
        return int(self._deadline is not None)

    def write_clear_interrupt(self, _value: int) -> None:
        """Acknowledge the alarm."""
        self._irq_pending = False
        self._update_irq()

    def save(self) -> State:
        """Return the clock's offset, the alarm and the interrupt."""
        return {
            "offset": self._offset,
            "time_high": self._time_high,
            "alarm": self._alarm,
            "deadline": _DISARMED if self._deadline is None else self._deadline,
            "irq_enabled": self._irq_enabled,
            "irq_pending": self._irq_pending,
        }

    def restore(self, state: State) -> None:
        """Take over a saved clock and drive the wire; raises StateError."""
        names = ("offset", "time_high", "alarm", "deadline", "irq_enabled", "irq_pending")
        fields = Fields(state, "rtc", names)
        offset = fields.integer("offset", 0, _MASK)
        time_high = fields.integer("time_high", 0, _LOW)
        alarm = fields.integer("alarm", 0, _MASK)
        deadline = fields.integer("deadline", _DISARMED, _MASK)
        irq_enabled = fields.boolean("irq_enabled")
        irq_pending = fields.boolean("irq_pending")
        self._offset = offset
        self._time_high = time_high
        self._alarm = alarm
        self._deadline = None if deadline == _DISARMED else deadline
        self._irq_enabled = irq_enabled
        self._irq_pending = irq_pending
        self._update_irq()

    def _time(self) -> int:
        return (self._now_ns() + self._offset) & _MASK

    def _set_time(self, time: int) -> None:
        self._offset = (time - self._now_ns()) & _MASK

    def _fire(self) -> None:
        self._deadline = None
        self._irq_pending = True
        self._update_irq()

    def _update_irq(self) -> None:
        self._irq.set_level(self._irq_pending and self._irq_enabled)
