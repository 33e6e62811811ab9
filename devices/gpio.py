"""SiFive GPIO with a single pin, an input: the wire of the power button.

Four conditions are watched: the pin rises, falls, is high, is low. One that comes true is pending until a 1
is written to its pending bit; a level that lasts is pending again at once. The wire to the interrupt
controller is high while a condition is pending and enabled. The registers of outputs, pull-ups and drive
strength keep bit 0 of what is written, and mean nothing.

Source: SiFive FU540-C000 manual, chapter 17; QEMU's `hw/gpio/sifive_gpio.c`; Linux's `gpio-sifive.c`. The
conditions are watched whether INPUT_EN is set or not, as in QEMU; INPUT_VAL shows the pin while it is set.
"""

from devices.irq import IrqLine
from devices.register import Register, RegisterDevice
from devices.state import Fields, State

GPIO_SIZE = 0x1000

GPIO_REGISTERS = (
    Register(0x00, "INPUT_VAL", "r"),
    Register(0x04, "CONTROL", repeat=((5, 4),)),  # INPUT_EN, OUTPUT_EN, OUTPUT_VAL, PUE, DS
    Register(0x18, "IE", repeat=((4, 8),)),  # RISE_IE, FALL_IE, HIGH_IE, LOW_IE
    Register(0x1C, "IP", repeat=((4, 8),)),  # RISE_IP, FALL_IP, HIGH_IP, LOW_IP
    Register(0x40, "OUT_XOR"),
)

_INPUT_EN = 0
_RISE, _FALL, _HIGH, _LOW = range(4)
_CONDITIONS = 4
_CONTROLS = 5


class SifiveGpio(RegisterDevice):
    """The registers; `irq` is the wire of the pin's interrupt."""

    def __init__(self, irq: IrqLine) -> None:
        super().__init__(GPIO_SIZE, GPIO_REGISTERS)
        self._irq = irq
        self._level = 0
        self._control = [0] * _CONTROLS
        self._out_xor = 0
        self._enabled = [0] * _CONDITIONS
        self._pending = [0] * _CONDITIONS
        self._pending[_LOW] = 1

    def set_level(self, level: bool) -> None:
        """Drive the pin from outside."""
        if level != self._level:
            self._pending[_RISE if level else _FALL] = 1
        self._level = int(level)
        self._update_irq()

    def read_input_val(self) -> int:
        """Bit 0: the pin, while it is enabled as an input."""
        return self._level & self._control[_INPUT_EN]

    def read_control(self, index: int) -> int:
        """What was written."""
        return self._control[index]

    def write_control(self, index: int, value: int) -> None:
        """Keep bit 0."""
        self._control[index] = value & 1

    def read_ie(self, condition: int) -> int:
        """Bit 0: the condition interrupts."""
        return self._enabled[condition]

    def write_ie(self, condition: int, value: int) -> None:
        """Let a condition interrupt by bit 0."""
        self._enabled[condition] = value & 1
        self._update_irq()

    def read_ip(self, condition: int) -> int:
        """Bit 0: the condition has come true."""
        return self._pending[condition]

    def write_ip(self, condition: int, value: int) -> None:
        """Acknowledge a condition by bit 0."""
        self._pending[condition] &= ~value
        self._update_irq()

    def read_out_xor(self) -> int:
        """What was written."""
        return self._out_xor

    def write_out_xor(self, value: int) -> None:
        """Keep bit 0."""
        self._out_xor = value & 1

    def save(self) -> State:
        """Return the pin and the registers."""
        return {
            "level": self._level,
            "control": self._control[:],
            "out_xor": self._out_xor,
            "enabled": self._enabled[:],
            "pending": self._pending[:],
        }

    def restore(self, state: State) -> None:
        """Take over a saved pin and registers, and drive the wire; raises StateError."""
        fields = Fields(state, "gpio", ("level", "control", "out_xor", "enabled", "pending"))
        level = fields.integer("level", 0, 1)
        control = fields.integers("control", _CONTROLS, 0, 1)
        out_xor = fields.integer("out_xor", 0, 1)
        enabled = fields.integers("enabled", _CONDITIONS, 0, 1)
        pending = fields.integers("pending", _CONDITIONS, 0, 1)
        self._level = level
        self._control = control
        self._out_xor = out_xor
        self._enabled = enabled
        self._pending = pending
        self._update_irq()

    def _update_irq(self) -> None:
        self._pending[_HIGH if self._level else _LOW] = 1
        self._irq.set_level(any(e & p for e, p in zip(self._enabled, self._pending, strict=True)))
