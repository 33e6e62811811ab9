"""ELF64 images for RISC-V: the header and the loadable segments, checked before anyone believes them.

This reads the 64 + 56 * n bytes that a loader needs. Symbols and line numbers are `hv.symbols`'
(pyelftools).

Source: System V ABI, chapter 4 (ELF header) and 5 (program header); RISC-V ELF psABI (EM_RISCV).
"""

import os
import struct
from dataclasses import dataclass
from io import FileIO

from hv.errors import ImageError
from hv.files import read_at

ELF_MAGIC = b"\x7fELF"
ELFCLASS64 = 2
ELFDATA2LSB = 1
ET_EXEC = 2
ET_DYN = 3
EM_RISCV = 243
PT_LOAD = 1

MAX_SEGMENTS = 64
"""Program headers that are read at most; linkers make fewer than ten."""

_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True)
class Segment:
    """A PT_LOAD program header; all sizes are bytes.

    Attributes:
        offset: where its contents are in the file.
        vaddr: virtual address of its first byte.
        paddr: physical address of its first byte.
        filesz: bytes in the file.
        memsz: bytes in memory; those after `filesz` are zero (.bss).
    """

    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int

    @property
    def to_physical(self) -> int:
        """What to add to a virtual address to get the physical one."""
        return self.paddr - self.vaddr


@dataclass(frozen=True)
class Elf:
    """What a loader needs of an ELF.

    Attributes:
        entry: physical address of the entry point.
        segments: loadable segments that take memory, in the order of the file.
    """

    entry: int
    segments: tuple[Segment, ...]


def read_elf(file: FileIO, name: str) -> Elf:
    """Read the headers of an ELF64 for RISC-V.

    Args:
        file: an unbuffered file from `hv.files.open_file`.
        name: role and path, for messages.

    Raises:
        ImageError: no ELF, one for another machine, or a broken one.
    """
    header = read_at(file, 0, _EHDR.size, name)
    ident, kind, machine, _, entry, phoff, _, _, _, phentsize, phnum, *_ = _EHDR.unpack(header)
    if not ident.startswith(ELF_MAGIC):
        raise ImageError(f"{name}: not an ELF file; give the linked image")
    bits = {1: 32, 2: 64}.get(ident[4], "?")
    order = {1: "little", 2: "big"}.get(ident[5], "?")
    if (ident[4], ident[5], machine) != (ELFCLASS64, ELFDATA2LSB, EM_RISCV):
        raise ImageError(
            f"{name}: ELF for machine {machine}, {bits}-bit, {order}-endian; "
            f"build it for RISC-V (machine {EM_RISCV}), 64-bit, little-endian"
        )
    if kind not in (ET_EXEC, ET_DYN):
        raise ImageError(f"{name}: ELF of type {kind} cannot be run; link it")
    if phentsize != _PHDR.size or not 0 < phnum <= MAX_SEGMENTS:
        raise ImageError(f"{name}: {phnum} program headers of {phentsize} bytes; link it anew")
    table = read_at(file, phoff, phnum * _PHDR.size, name)
    segments = tuple(
        Segment(offset, vaddr, paddr, filesz, memsz)
        for type_, _, offset, vaddr, paddr, filesz, memsz, _ in _PHDR.iter_unpack(table)
        if type_ == PT_LOAD and memsz
    )
    for segment in segments:
        _check(segment, os.fstat(file.fileno()).st_size, name)
    return Elf(_physical_entry(entry, segments, name), segments)


def _physical_entry(entry: int, segments: tuple[Segment, ...], name: str) -> int:
    """Return where to jump with the MMU off: some kernels give a virtual address, some a physical."""
    for segment in segments:
        if segment.vaddr <= entry < segment.vaddr + segment.memsz:
            return entry + segment.to_physical
    for segment in segments:
        if segment.paddr <= entry < segment.paddr + segment.memsz:
            return entry
    raise ImageError(f"{name}: entry point {entry:#x} is in no segment; set ENTRY() in the linker script")


def _check(segment: Segment, file_size: int, name: str) -> None:
    start, size, end = segment.paddr, segment.memsz, segment.offset + segment.filesz
    if segment.filesz > size or max(start, segment.vaddr) + size > 1 << 64:
        raise ImageError(
            f"{name}: segment at {start:#x} has {segment.filesz} bytes in the file, {size} in memory; relink"
        )
    if end > file_size:
        raise ImageError(
            f"{name}: truncated, segment at {start:#x} ends at byte {end} of {file_size}; use another copy"
        )
