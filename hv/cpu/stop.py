"""Why a hart stops running, and how a guest dies."""

from enum import Enum
from typing import NamedTuple

from hv.cpu import state
from hv.cpu.riscv import CAUSE_NAMES


class HartStop(Enum):
    """Why a run ended."""

    BUDGET = state.STOP_BUDGET  # the virtual time given is over
    REQUESTED = state.STOP_REQUESTED  # someone called request_stop()
    IDLE = state.STOP_IDLE  # waits for an interrupt that time will not bring
    BREAK = state.STOP_BREAK  # at a breakpoint, before the instruction
    FAULT = state.STOP_FAULT  # the guest is dead: its trap handler cannot run


class HartFault(NamedTuple):
    """How a guest died.

    Attributes:
        cause: mcause or scause of the trap that could not be handled.
        tval: its mtval or stval.
        pc: the instruction that it came from.
        priv: the mode that it came from.
        handler_cause: what the trap handler dies of, again and again.
        handler_tval: tval of that.
        handler_pc: where in the handler.
    """

    cause: int
    tval: int
    pc: int
    priv: int
    handler_cause: int
    handler_tval: int
    handler_pc: int

    def __str__(self) -> str:
        return (
            f"{_cause(self.cause)} at pc {self.pc:#x} (tval {self.tval:#x}) cannot be handled: "
            f"its handler dies of {_cause(self.handler_cause)} at pc {self.handler_pc:#x} "
            f"(tval {self.handler_tval:#x})"
        )


def _cause(cause: int) -> str:
    return CAUSE_NAMES.get(cause, f"trap {cause:#x}")
