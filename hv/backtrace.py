"""Backtraces: from the registers of a guest that stands still to lines like those of a Linux oops.

Firmware and kernel are compiled with frame pointers. A function's prologue saves the return address at fp -
8 and the caller's fp at fp - 16 (RISC-V psABI, "Frame Pointer Convention"), so frames form a chain that
ends in fp = 0. Trap entries keep the chain, so it leads through a trap and from the firmware into the code
that it serves.

The chain lies in the guest's memory and is believed for no more than it is worth: every word is translated
and read with checks, and the walk ends at the first pointer that is not aligned, not readable, or was seen
before.

One frame is not in the chain: a function that has not built its frame yet, or has already taken it down,
has its return address in ra only. ra is taken for it when it leads out of the function at pc; inside that
function it is a left-over of a call that has returned.
"""

from collections.abc import Callable
from typing import NamedTuple

from devices.errors import DeviceError
from devices.memory import GuestMemory
from hv.cpu import Hart
from hv.cpu.sv39 import translate
from hv.symbols import Symbols

FRAMES_MAX = 64
"""Frames that are followed at most."""

_WORD = 8
_RA, _FP = 1, 8

ReadMemory = Callable[[int, int], bytes]
"""Reads (physical address, bytes); raises DeviceError where there is no RAM. `GuestMemory.read` is one."""

Translate = Callable[[int], int | None]
"""Turns a virtual address into a physical one, or None where nothing is mapped."""


class Frame(NamedTuple):
    """One function that had begun and not ended.

    Attributes:
        address: where it goes on.
        is_return: whether that is behind a call; false in the function that was running.
    """

    address: int
    is_return: bool


def walk_stackframe(
    symbols: Symbols, pc: int, ra: int, fp: int, read_memory: ReadMemory, translate: Translate
) -> list[Frame]:
    """Return the frames, innermost first; at least the one at pc.

    Args:
        symbols: what tells functions apart.
        pc: program counter.
        ra: return address register.
        fp: frame pointer (s0).
        read_memory: reads guest memory.
        translate: as the guest's MMU does at this moment.
    """

    def read_word(address: int) -> int | None:
        physical = translate(address % (1 << 64))
        if address % _WORD or physical is None:
            return None
        try:
            return int.from_bytes(read_memory(physical, _WORD), "little")
        except DeviceError:
            return None

    frames = [Frame(pc, False)]
    seen: set[int] = set()
    while len(frames) < FRAMES_MAX and fp not in seen:
        seen.add(fp)
        return_address, caller_fp = read_word(fp - _WORD), read_word(fp - 2 * _WORD)
        if not return_address or caller_fp is None:
            break
        frames.append(Frame(return_address, True))
        fp = caller_fp
    if ra and ra not in (frame.address for frame in frames) and _leaves(symbols, ra, pc):
        frames.insert(1, Frame(ra, True))
    return frames


def backtrace(hart: Hart, memory: GuestMemory, symbols: Symbols) -> list[Frame]:
    """Return the frames of a hart that stands still, or is in the middle of an access, innermost first.

    The firmware's addresses are physical, the kernel's go through satp.
    """
    satp = hart.csr("satp")

    def physical(address: int) -> int | None:
        return address if memory.contains(address, _WORD) else translate(satp, address, memory.read)

    return walk_stackframe(symbols, hart.pc, hart.x(_RA), hart.x(_FP), memory.read, physical)


def _leaves(symbols: Symbols, ra: int, pc: int) -> bool:
    there, here = symbols.function(ra - 1), symbols.function(pc)
    return there is not None and (here is None or there.name != here.name)


def describe_frame(symbols: Symbols, frame: Frame) -> str:
    """Return a line like `[<ffffffc080201234>] fill_balloon+0x1a/0x30 guest/virtio/balloon.c:123`.

    A call that does not return may be the last instruction of its function, so a return address is looked up
    by the byte before it, as Linux does (`%pB`).

    Args:
        symbols: where names come from.
        frame: the frame.
    """
    looked_up = frame.address - frame.is_return
    function, line = symbols.function(looked_up), symbols.line(looked_up)
    name = str(function._replace(offset=function.offset + frame.is_return)) if function else "(unknown)"
    return " ".join(filter(None, (f"[<{frame.address:016x}>]", name, line)))
