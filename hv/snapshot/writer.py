"""Writing snapshots, in one step that either happens or does not."""

import zlib
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from hv.board import PAGE_SIZE
from hv.cpu.sv39 import kernel_mappings
from hv.elf import PT_LOAD
from hv.errors import ConfigError, HostError
from hv.files import replacing, write_all
from hv.machine import Machine
from hv.snapshot.format import (
    CORE_NAME,
    CRC,
    EHDR,
    NOTE,
    NT_PRSTATUS,
    NT_STATE,
    PF_R,
    PF_W,
    PHDR,
    PHDRS_MAX,
    PID,
    PRSTATUS,
    PT_NOTE,
    RUNS_MAX,
    STATE_MAX,
    STATE_NAME,
    STATE_PROLOGUE,
    VERSION,
    Header,
    Parts,
    crc_offset,
    elf_header,
    front_crc,
    join,
    page_up,
    portable,
)


def write_snapshot(path: Path, machine: Machine) -> Header:
    """Write a machine that stands still to a snapshot, replacing what is at `path` in one step.

    Args:
        path: the snapshot.
        machine: it stays as it is, and may go on; the snapshot lives as long as its disks stay the same.

    Returns:
        The header that was written.

    Raises:
        ConfigError: a disk of the machine is no file, so nobody could attach it again.
        HostError: it cannot be written; what was at `path` is still there.
        ImageError: a disk cannot be read.
    """
    for disk in machine.config.disks:
        if disk.backend is not None:
            raise ConfigError(f"snapshot {path}: disk {disk.path} is in memory; give the machine a file")
    memory = machine.memory
    held, balloon = memory.nonzero(), machine.balloon
    hinted = held & False if balloon is None else held & balloon.hinted
    spans = join(held & ~hinted, RUNS_MAX)
    runs = [_Piece(memory.base + first * PAGE_SIZE, (end - first) * PAGE_SIZE) for first, end in spans]
    header = Header(
        machine=machine.identity(),
        parts=Parts.of(machine.config),
        virtual_ns=machine.now_ns,
        pages_saved=sum(run.size for run in runs) // PAGE_SIZE,
        pages_ballooned=0 if balloon is None else int(balloon.ballooned.sum()),
        pages_hinted=int(hinted.sum()),
        state=portable(machine.save()),
    )
    text = _encode(header, f"snapshot {path}")
    with replacing(path, "snapshot") as file:
        contents = [memory.view(*run).data for run in runs]
        write_all(file, memoryview(_front(machine, runs, [zlib.crc32(run) for run in contents], text)))
        for run in contents:
            write_all(file, run)
    return header


def _encode(header: Header, name: str) -> bytes:
    """Return the state as JSON that a reader takes."""
    try:
        text = msgspec.json.encode(header)
        msgspec.json.decode(text, type=Header)
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name}: {error.object!r} is no UTF-8; rename it") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: a file's name cannot be kept ({error}); rename it") from None
    if len(text) > STATE_MAX:
        raise HostError(f"{name}: {len(text)} bytes of state are too many; type less ahead")
    return text


class _Piece(NamedTuple):
    """A piece of RAM: physical address and bytes."""

    base: int
    size: int


def _front(machine: Machine, runs: list[_Piece], crcs: list[int], text: bytes) -> bytes:
    """Return what precedes the contents of the runs."""
    hart = machine.hart
    registers = PRSTATUS.pack(PID, hart.pc, *(hart.x(i) for i in range(1, 32)))
    prologue = STATE_PROLOGUE.pack(VERSION, 0, len(crcs), len(text))
    notes = _note(CORE_NAME, NT_PRSTATUS, registers)
    notes += _note(STATE_NAME, NT_STATE, prologue + np.array(crcs, CRC).tobytes() + text)
    pieces = _pieces(machine, runs)
    table = np.zeros(1 + len(pieces), PHDR)
    notes_at = EHDR.size + table.nbytes
    contents_at = page_up(notes_at + len(notes))
    table[0] = (PT_NOTE, PF_R, notes_at, 0, 0, len(notes), 0, 4)
    for row, (at, virtual, physical, size) in enumerate(pieces, 1):
        table[row] = (PT_LOAD, PF_R | PF_W, contents_at + at, virtual, physical, size, size, PAGE_SIZE)
    front = (elf_header(len(table)) + table.tobytes() + notes).ljust(contents_at, b"\0")
    at = crc_offset(len(table))
    return front[:at] + front_crc(front, len(table)).to_bytes(4, "little") + front[at + 4 :]


def _pieces(machine: Machine, runs: list[_Piece]) -> list[tuple[int, int, int, int]]:
    """Return (offset in the contents, virtual and physical address, bytes) for each program header.

    The runs themselves come first, then what the kernel has mapped of them, as far as there is room.
    """
    offsets = list(accumulate((run.size for run in runs), initial=0))
    pieces = [(at, *(run.base, run.base), run.size) for at, run in zip(offsets, runs, strict=False)]
    bases = [run.base for run in runs]
    for virtual, physical, size in kernel_mappings(machine.hart.csr("satp"), machine.memory.read):
        index = max(bisect_right(bases, physical) - 1, 0)
        while index < len(runs) and bases[index] < physical + size:
            start = max(bases[index], physical)
            end = min(bases[index] + runs[index].size, physical + size)
            if start < end:
                at = offsets[index] + start - bases[index]
                pieces.append((at, virtual + start - physical, start, end - start))
            index += 1
        if len(pieces) >= PHDRS_MAX:
            break
    return pieces[: PHDRS_MAX - 1]


def _note(name: bytes, kind: int, contents: bytes) -> bytes:
    """Return an ELF note; name and contents are padded to four bytes."""
    head = NOTE.pack(len(name.rstrip(b"\0")) + 1, len(contents), kind)
    return head + name + contents.ljust(-(-len(contents) // 4) * 4, b"\0")
