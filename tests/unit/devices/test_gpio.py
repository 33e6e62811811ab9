"""The GPIO's single pin: conditions, acknowledgements, and the wire to the interrupt controller."""

import pytest

from devices.gpio import SifiveGpio
from hv.conformance.ours import Wire

RISE_IE, FALL_IE, HIGH_IE, LOW_IE = 0x18, 0x20, 0x28, 0x30
IP = 4
"""From a condition's enable to its pending bit."""


@pytest.mark.parametrize(
    ("enable", "level", "lasts"),
    [(RISE_IE, True, False), (FALL_IE, False, False), (HIGH_IE, True, True), (LOW_IE, False, True)],
    ids=["rise", "fall", "high", "low"],
)
def test_a_condition_interrupts_until_it_is_acknowledged(enable: int, level: bool, lasts: bool) -> None:
    """An edge is over with its acknowledgement; a level comes back at once, until the pin has changed."""
    wire = Wire()
    gpio = SifiveGpio(wire)
    gpio.set_level(not level)
    for offset in (RISE_IE, FALL_IE, HIGH_IE, LOW_IE):
        gpio.write(offset + IP, 4, 1)
    gpio.write(enable, 4, 1)
    assert not wire.level
    gpio.set_level(level)
    assert wire.level
    assert gpio.read(enable + IP, 4) == 1
    gpio.write(enable + IP, 4, 1)
    assert wire.level == lasts
    gpio.set_level(not level)
    gpio.write(enable + IP, 4, 1)
    assert not wire.level


def test_the_pin_is_seen_while_it_is_an_input() -> None:
    """INPUT_VAL is 0 until INPUT_EN is set; nothing interrupts that is not enabled."""
    wire = Wire()
    gpio = SifiveGpio(wire)
    gpio.set_level(True)
    assert gpio.read(0x00, 4) == 0
    gpio.write(0x04, 4, 0xFFFF_FFFF)
    assert gpio.read(0x04, 4) == 1
    assert gpio.read(0x00, 4) == 1
    assert not wire.level
