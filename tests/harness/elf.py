"""ELF files made to measure: a few headers and bytes, or a few wrong ones."""

import struct
from typing import NamedTuple

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")


class Load(NamedTuple):
    """A PT_LOAD segment: contents, where they go, and bytes in memory (at least the contents)."""

    data: bytes
    paddr: int
    memsz: int = 0
    vaddr: int | None = None


def make_elf(
    *loads: Load, entry: int, machine: int = 243, elf_class: int = 2, order: int = 1, kind: int = 2
) -> bytes:
    """Return an ELF64 (for RISC-V, unless told otherwise) of these segments, without sections."""
    offset = EHDR.size + PHDR.size * len(loads)
    headers, contents = b"", b""
    for load in loads:
        vaddr = load.paddr if load.vaddr is None else load.vaddr
        memsz = max(load.memsz, len(load.data))
        at = offset + len(contents)
        headers += PHDR.pack(1, 7, at, vaddr, load.paddr, len(load.data), memsz, 8)
        contents += load.data
    ident = b"\x7fELF" + bytes([elf_class, order, 1])
    table = (EHDR.size if loads else 0, 0, 0, EHDR.size, PHDR.size, len(loads), 64, 0, 0)
    return EHDR.pack(ident, kind, machine, 1, entry, *table) + headers + contents
