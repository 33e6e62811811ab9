"""The functions of the modules that a Linux has loaded, read from the kernel's own list in its memory.

A module is wherever the kernel has put it, so no file knows its addresses. The kernel does, for its own
backtraces: `modules` is a list of `struct module`, each with its name and a pointer to its symbols, which are
ELF's with final addresses (Linux 6.12, `include/linux/module.h`: list at 8, name at 24; where the pointer is
depends on the configuration, so it is the first that looks like one).

All of it is the guest's and believed for no more than it is worth: every word is read with checks, and
numbers are bounded.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from devices.memory import PAGE_SIZE, GuestMemory
from hv.cpu import Hart
from hv.cpu.sv39 import translate
from hv.symbols import STT_FUNC, SYMBOL, Function, Symbols

_LIST = 8
_KALLSYMS_PLACES = range(80, 0x800, 8)
_KALLSYMS = struct.Struct("<QI4xQ")  # symtab, num_symtab, strtab
_MODULES_MAX = 256
_SYMBOLS_MAX = 1 << 16
_NAME_MAX = 512

ReadMemory = Callable[[int, int], bytes | None]
"""Reads (virtual address, bytes); None where nothing is mapped."""


class _Table(NamedTuple):
    """Where a module's symbols are: addresses of ELF symbols and of their names."""

    symbols: int
    total: int
    names: int


class Modules:
    """The modules of one guest, as they are whenever it is asked: one of the tables of `hv.symbols.Symbols`.

    Args:
        read: reads its memory by virtual address.
        head: where `modules` is.
    """

    def __init__(self, read: ReadMemory, head: int) -> None:
        self._read = read
        self._head = head
        self._places = _KALLSYMS_PLACES
        self._functions: dict[_Table, np.ndarray] = {}

    def function(self, address: int) -> Function | None:
        """Return the function that holds a virtual address, or None."""
        if not _of_the_kernel(address):
            return None
        for module in self._modules():
            table = self._table(module)
            if table is not None and (found := self._find(table, address)) is not None:
                return found
        return None

    def line(self, _address: int) -> str | None:
        """Return None: no lines are known."""
        return None

    def address(self, _name: str) -> int | None:
        """Return None: names are looked up in images."""
        return None

    virtual_address = address

    def _modules(self) -> Iterator[int]:
        """Yield the address of each `struct module`."""
        node = self._word(self._head)
        for _ in range(_MODULES_MAX):
            if node is None or node == self._head:
                return
            yield node - _LIST
            node = self._word(node)

    def _table(self, module: int) -> _Table | None:
        """Find the symbols of a module; once found, the pointer is at the same place in all of them."""
        for at in self._places:
            pointer = self._word(module + at)
            raw = self._read(pointer, _KALLSYMS.size) if pointer and _of_the_kernel(pointer) else None
            if raw is not None:
                table = _Table(*_KALLSYMS.unpack(raw))
                if table in self._functions or self._looks_right(table):
                    self._places = range(at, at + 1)
                    return table
        return None

    def _looks_right(self, table: _Table) -> bool:
        """Whether there is ELF's first symbol, which is all zeros, and its first name, which is empty."""
        return (
            0 < table.total <= _SYMBOLS_MAX
            and _of_the_kernel(table.symbols)
            and _of_the_kernel(table.names)
            and self._read(table.symbols, SYMBOL.itemsize) == bytes(SYMBOL.itemsize)
            and self._read(table.names, 1) == b"\0"
        )

    def _find(self, table: _Table, address: int) -> Function | None:
        if len(self._functions) > _MODULES_MAX:
            self._functions.clear()
        if table not in self._functions:
            raw = self._read(table.symbols, table.total * SYMBOL.itemsize) or b""
            symbols = np.frombuffer(raw, SYMBOL)
            self._functions[table] = symbols[symbols["info"] & 15 == STT_FUNC]
        functions = self._functions[table]
        behind = np.uint64(address) - functions["value"]  # wraps where the function begins behind the address
        for found in functions[behind < functions["size"]]:
            name = self._name(table.names + int(found["name"]))
            if name:
                return Function(name, address - int(found["value"]), int(found["size"]))
        return None

    def _name(self, address: int) -> str:
        raw = self._read(address, min(_NAME_MAX, PAGE_SIZE - address % PAGE_SIZE)) or b""
        return raw.partition(b"\0")[0].decode("ascii", "backslashreplace")

    def _word(self, address: int) -> int | None:
        raw = self._read(address, 8)
        return None if raw is None else int.from_bytes(raw, "little")


def symbols_of(images: Iterable[Path], hart: Hart, memory: GuestMemory) -> Symbols:
    """Return the functions of a machine's images, and of the modules that its guest loads if it is a Linux.

    Args:
        images: firmware and kernel.
        hart: what translates the guest's addresses.
        memory: RAM.
    """

    def read(address: int, size: int) -> bytes | None:
        pieces = []
        while size:
            physical = translate(hart.csr("satp"), address % (1 << 64), memory.read)
            length = min(size, PAGE_SIZE - address % PAGE_SIZE)
            if physical is None or not memory.contains(physical, length):
                return None
            pieces.append(memory.read(physical, length))
            address, size = address + length, size - length
        return b"".join(pieces)

    symbols = Symbols.of_images(images)
    head = symbols.virtual_address("modules")
    if head is not None:
        symbols.add(Modules(read, head))
    return symbols


def _of_the_kernel(address: int) -> bool:
    return address >> 38 == (1 << 26) - 1
