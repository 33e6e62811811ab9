"""Power control: SiFive's test finisher, and one register of ours behind it that asks for hibernation.

A write to the finisher ends the machine or resets it. The platform-sleep register (device tree node
`thawvisor,platform-sleep`) is how the firmware's SBI SUSP call asks the platform to keep RAM and switch
off. The device itself has no state: what a request means is the machine's business, and happens after the
access.

Source: SiFive's test device as in QEMU's `hw/misc/sifive_test.c` and Linux's `syscon-poweroff`; 16- and
32-bit writes.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from devices.register import Register, RegisterDevice
from devices.state import Fields, State

POWER_SIZE = 0x1000

POWER_REGISTERS = (
    Register(0x0, "FINISHER", sizes=(2, 4)),  # 15:0 what to do, 31:16 exit code of a failure
    Register(0x8, "SLEEP"),
)

FINISHER_PASS = 0x5555
FINISHER_RESET = 0x7777
FINISHER_FAIL = 0x3333
SLEEP_HIBERNATE = 0x4444


class PowerAction(Enum):
    """What the guest asks the platform to do."""

    POWEROFF = "poweroff"
    RESET = "reset"
    FAIL = "fail"
    HIBERNATE = "hibernate"


class PowerRequest(NamedTuple):
    """A request of the guest.

    Attributes:
        action: what to do.
        code: exit status 0..65535 of a FAIL; 0 for every other action.
    """

    action: PowerAction
    code: int = 0


_FINISHER = {
    FINISHER_PASS: PowerAction.POWEROFF,
    FINISHER_RESET: PowerAction.RESET,
    FINISHER_FAIL: PowerAction.FAIL,
}


class Power(RegisterDevice):
    """The finisher page. `request` is called once for every request, inside the guest's store."""

    def __init__(self, request: Callable[[PowerRequest], None]) -> None:
        super().__init__(POWER_SIZE, POWER_REGISTERS)
        self._request = request

    def read_finisher(self) -> int:
        """Nothing to see: 0."""
        return 0

    def write_finisher(self, value: int) -> None:
        """Request what bits 15:0 say; an unknown value is ignored."""
        action = _FINISHER.get(value & 0xFFFF)
        if action is not None:
            self._request(PowerRequest(action, value >> 16 if action is PowerAction.FAIL else 0))

    def read_sleep(self) -> int:
        """Nothing to see: 0."""
        return 0

    def write_sleep(self, value: int) -> None:
        """Request hibernation; any other value than SLEEP_HIBERNATE is ignored."""
        if value == SLEEP_HIBERNATE:
            self._request(PowerRequest(PowerAction.HIBERNATE))

    def save(self) -> State:
        """Return the empty state."""
        return {}

    def restore(self, state: State) -> None:
        """Accept the empty state; raises StateError for any other."""
        Fields(state, "power", ())
