"""What a stopped guest leaves for people: why it stopped; when it died, registers and a backtrace."""

from collections.abc import Iterator

from hv.backtrace import backtrace, describe_frame
from hv.machine import Machine
from hv.modules import symbols_of
from hv.stop import Stop, StopReason

_PER_LINE = 4


def describe(machine: Machine, stop: Stop) -> str:
    """Say how a machine stopped.

    Args:
        machine: it, standing still.
        stop: what `run` returned.

    Returns:
        One line; for a guest that died, registers and a backtrace below it.
    """
    first = f"{stop.reason.name} at {stop.ns / 1e6:.6f} ms of virtual time"
    if stop.detail:
        first += f": {stop.detail}"
    if stop.reason is StopReason.FINDING and machine.sanitizer is not None:
        return "\n".join([first, machine.sanitizer.report(machine.sanitizer.findings[-1])])
    if stop.reason is not StopReason.GUEST_FAULT:
        return first
    return "\n".join([first, *_registers(machine), "Call trace:", *_backtrace(machine)])


def _registers(machine: Machine) -> Iterator[str]:
    named = [f"{name:>8} {value:016x}" for name, value in machine.hart.regs().items()]
    for at in range(0, len(named), _PER_LINE):
        yield " ".join(named[at : at + _PER_LINE])


def _backtrace(machine: Machine) -> Iterator[str]:
    symbols = symbols_of((machine.config.bios, machine.config.kernel), machine.hart, machine.memory)
    for frame in backtrace(machine.hart, machine.memory, symbols):
        yield f" {describe_frame(symbols, frame)}"
