"""How a run of a machine ends."""

from dataclasses import dataclass
from enum import Enum, auto


class StopReason(Enum):
    """Why `Machine.run` returned."""

    POWEROFF = auto()  # the guest switched the machine off
    RESET = auto()  # the guest asked for a reset, which is a new machine of the same configuration
    HIBERNATE = auto()  # the firmware asked the platform to keep RAM and switch off
    GUEST_FAULT = auto()  # the guest died: it reported a failure, or its trap handler cannot run
    IDLE = auto()  # waits for an interrupt that only the host can cause
    BUDGET = auto()  # the virtual time given is used up
    CONDITION = auto()  # the caller's condition holds
    BREAK = auto()  # a breakpoint
    FINDING = auto()  # the sanitizer has one, and was asked to stop there


@dataclass(frozen=True)
class Stop:
    """How a run ended.

    Attributes:
        reason: why.
        ns: virtual time.
        detail: one line for people; empty when the reason says it all.
        code: the guest's exit code (GUEST_FAULT through the test finisher).
    """

    reason: StopReason
    ns: int
    detail: str = ""
    code: int = 0
