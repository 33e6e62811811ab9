"""Sv39 address translation in plain Python, for reports: what a virtual address of a standing guest means.

The hart itself translates inside Unicorn; this walk only reads, never sets A or D bits, and believes nothing.

Source: RISC-V privileged specification, "Sv39: Page-Based 39-bit Virtual-Memory System".
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from devices.errors import DeviceError

SATP_MODE_SV39 = 8
LEVELS = 3
PTE_V, PTE_R, PTE_W, PTE_X = 1, 2, 4, 8


def translate(satp: int, address: int, read_memory: Callable[[int, int], bytes]) -> int | None:
    """Translate a virtual address.

    Args:
        satp: the CSR; with translation off every address means itself.
        address: virtual address, 64 bits.
        read_memory: reads (physical address, bytes) of RAM; raises DeviceError elsewhere.

    Returns:
        The physical address, or None where nothing is mapped.
    """
    if satp >> 60 != SATP_MODE_SV39:
        return address
    if (address >> 38) not in (0, (1 << 26) - 1):
        return None
    table = (satp & (1 << 44) - 1) << 12
    for level in reversed(range(LEVELS)):
        shift = 12 + 9 * level
        try:
            pte = int.from_bytes(read_memory(table + 8 * (address >> shift & 0x1FF), 8), "little")
        except DeviceError:
            return None
        if not pte & PTE_V:
            return None
        target = (pte >> 10 & (1 << 44) - 1) << 12
        if pte & (PTE_R | PTE_W | PTE_X):
            offset = address & (1 << shift) - 1
            return target & -(1 << shift) | offset
        table = target
    return None


class Mapping(NamedTuple):
    """A piece of the virtual address space; bytes."""

    virtual: int
    physical: int
    size: int


def kernel_mappings(
    satp: int, read_memory: Callable[[int, int], bytes], tables: int = 4096
) -> Iterator[Mapping]:
    """Yield what is mapped in the upper half, in order; neighbours that belong together are one.

    Args:
        satp: the CSR; with translation off there is nothing.
        read_memory: reads (physical address, bytes) of RAM; raises DeviceError elsewhere.
        tables: how many tables are read at most: those of a guest may be a maze.
    """
    if satp >> 60 != SATP_MODE_SV39:
        return
    left = tables

    def walk(table: int, level: int, base: int) -> Iterator[Mapping]:
        nonlocal left
        left -= 1
        try:
            entries = read_memory(table, 4096) if left >= 0 else b""
        except DeviceError:
            return
        size = 1 << 12 + 9 * level
        for index in range(len(entries) // 8):
            pte = int.from_bytes(entries[8 * index : 8 * index + 8], "little")
            virtual = base + index * size
            target = (pte >> 10 & (1 << 44) - 1) << 12
            if not pte & PTE_V or (level == LEVELS - 1 and index < 256):
                continue
            if pte & (PTE_R | PTE_W | PTE_X):
                yield Mapping(virtual, target & -size, size)
            elif level:
                yield from walk(target, level - 1, virtual)

    whole: Mapping | None = None
    for part in walk((satp & (1 << 44) - 1) << 12, LEVELS - 1, ~((1 << 39) - 1) & (1 << 64) - 1):
        if whole is not None and (whole.virtual + whole.size, whole.physical + whole.size) == part[:2]:
            whole = whole._replace(size=whole.size + part.size)
            continue
        if whole is not None:
            yield whole
        whole = part
    if whole is not None:
        yield whole
