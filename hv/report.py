"""What a stopped guest leaves for people: why it stopped; when it died, registers and a backtrace."""

from collections.abc import Iterator
from pathlib import Path

from hv.backtrace import describe_frame, walk_stackframe
from hv.cpu.sv39 import translate
from hv.errors import ImageError
from hv.machine import Machine, Stop, StopReason
from hv.symbols import Symbols

_S0, _RA = 8, 1
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
    if stop.reason is not StopReason.GUEST_FAULT:
        return first
    return "\n".join([first, *_registers(machine), "Call trace:", *_backtrace(machine)])


def _registers(machine: Machine) -> Iterator[str]:
    named = [f"{name:>8} {value:016x}" for name, value in machine.hart.regs().items()]
    for at in range(0, len(named), _PER_LINE):
        yield " ".join(named[at : at + _PER_LINE])


def _backtrace(machine: Machine) -> Iterator[str]:
    """Walk the frames: the firmware's addresses are physical, the kernel's go through satp."""
    hart, memory = machine.hart, machine.memory
    symbols = Symbols(filter(_has_symbols, (machine.config.bios, machine.config.kernel)))
    satp = hart.csr("satp")

    def physical(address: int) -> int | None:
        return address if memory.contains(address, 8) else translate(satp, address, memory.read)

    for frame in walk_stackframe(symbols, hart.pc, hart.x(_RA), hart.x(_S0), memory.read, physical):
        yield f" {describe_frame(symbols, frame)}"


def _has_symbols(image: Path) -> bool:
    """Whether an image is an ELF; a flat firmware or a RISC-V Image is not, and its addresses must do."""
    try:
        Symbols((image,))
    except ImageError:
        return False
    return True
