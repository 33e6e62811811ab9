"""Symbols: which function of firmware or kernel an address is in, and which line of source.

Loading reads symbol tables only (a few milliseconds): symbols are kept as numpy arrays and names are cut
out of the string table when someone asks. Line numbers come from DWARF when the first one is asked for
(`hv.lines`).

An image answers for its virtual and for its physical addresses, because code runs at both: firmware and the
kernel's first instructions without the MMU, the rest with it.

As in Linux's kallsyms, a function reaches to the next symbol: what hand-written assembly leaves out of
`.size` has an owner too.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from hv import board
from hv.elf import read_elf
from hv.errors import ImageError
from hv.files import open_file, read_at
from hv.kallsyms import read_kallsyms
from hv.kernelimage import IMAGE_HEADER, is_image
from hv.lines import LineTable

STT_NOTYPE = 0
STT_FUNC = 2
STB_GLOBAL = 1
SHF_EXECINSTR = 4
SHN_UNDEF = 0

SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("shndx", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_SECTION = np.dtype([("start", "<u8"), ("end", "<u8")])


class Function(NamedTuple):
    """Where in which function an address is.

    Attributes:
        name: symbol.
        offset: bytes from its start.
        size: bytes to the next symbol.
    """

    name: str
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.name}+{self.offset:#x}/{self.size:#x}"


class SymbolTable:
    """The functions of one ELF, sorted by address.

    Args:
        path: the ELF.

    Raises:
        ImageError: it is no ELF for this machine, or its symbol table is broken. One without symbols is fine:
            it knows no address.
    """

    def __init__(self, path: Path) -> None:
        name = f"symbols of {path}"
        with open_file(path, "symbols of") as file, BufferedReader(file) as stream:
            self._lines = LineTable(path, os.fstat(file.fileno()))
            self._segments = read_elf(file, name).segments
            symbols, self._strings, code = _read_symbols(stream, name)
        functions = _functions(symbols, self._strings, code)
        self._symbols = symbols
        self._starts, self._names = functions["value"], functions["name"]
        following = np.append(self._starts[1:], [np.iinfo(np.uint64).max])
        self._ends = np.minimum(following, code["end"][functions["shndx"]])

    def function(self, address: int) -> Function | None:
        """Return the function that holds a virtual or physical address, or None."""
        virtual = self._virtual(address)
        at = int(np.searchsorted(self._starts, np.uint64(virtual), side="right")) - 1
        if at < 0 or virtual >= self._ends[at]:
            return None
        start, end, name = int(self._starts[at]), int(self._ends[at]), int(self._names[at])
        text = self._strings[name : self._strings.find(b"\0", name)]
        return Function(text.decode("ascii", "backslashreplace"), virtual - start, end - start)

    def line(self, address: int) -> str | None:
        """Return `file:line` of a virtual or physical address, or None where the image does not say."""
        return self._lines.find(self._virtual(address))

    def address(self, name: str) -> int | None:
        """Return the physical address of a function or variable, or None when there is none of that name."""
        virtual = self.virtual_address(name)
        return None if virtual is None else self._physical(virtual)

    def virtual_address(self, name: str) -> int | None:
        """Return the virtual address of a function or variable, or None when there is none of that name."""
        wanted = b"\0" + name.encode() + b"\0"
        at = self._strings.find(wanted)
        while at >= 0:
            found = self._symbols[(self._symbols["name"] == at + 1) & (self._symbols["shndx"] != SHN_UNDEF)]
            if len(found):
                return int(found["value"][0])
            at = self._strings.find(wanted, at + 1)
        return None

    def _physical(self, address: int) -> int:
        for segment in self._segments:
            if segment.vaddr <= address < segment.vaddr + segment.memsz:
                return address + segment.to_physical
        return address

    def _virtual(self, address: int) -> int:
        for segment in self._segments:
            if segment.paddr <= address < segment.paddr + segment.memsz:
                return address - segment.to_physical
        return address


class ImageTable:
    """The functions of a Linux kernel in a plain Image, which runs where its kallsyms say.

    Those of modules are not among them (`hv.modules`).

    Args:
        path: the Image.

    Raises:
        ImageError: it is no Image, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        name = f"symbols of {path}"
        with open_file(path, "symbols of") as file:
            image = read_at(file, 0, os.fstat(file.fileno()).st_size, name)
        if not is_image(image):
            raise ImageError(f"{name}: not a RISC-V Image; give arch/riscv/boot/Image")
        _, _, text_offset, *_ = IMAGE_HEADER.unpack_from(image)
        symbols = read_kallsyms(image)
        self._all = {symbol.name: symbol.address for symbol in reversed(symbols)}
        code = [symbol for symbol in symbols if symbol.kind in "tTwW"]
        self._starts = [symbol.address for symbol in code]
        self._names = [symbol.name for symbol in code]
        self._to_physical = board.DRAM_BASE + text_offset - (symbols[0].address if symbols else 0)
        self._size = len(image)

    def function(self, address: int) -> Function | None:
        """Return the function that holds a virtual or physical address, or None."""
        if self._all and 0 <= address - self._to_physical - self._starts[0] < self._size:
            address -= self._to_physical
        at = bisect_right(self._starts, address) - 1
        if not 0 <= at < len(self._starts) - 1:
            return None
        start, end = self._starts[at : at + 2]
        return Function(self._names[at], address - start, end - start)

    def line(self, _address: int) -> str | None:
        """Return None: kallsyms know no lines."""
        return None

    def address(self, name: str) -> int | None:
        """Return the physical address of a function or variable, or None when there is none of that name."""
        virtual = self.virtual_address(name)
        return None if virtual is None else virtual + self._to_physical

    def virtual_address(self, name: str) -> int | None:
        """Return the virtual address of a function or variable, or None when there is none of that name."""
        return self._all.get(name)


class Table(Protocol):
    """Functions of one origin."""

    def function(self, address: int, /) -> Function | None:
        """Return the function that holds an address, or None."""

    def line(self, address: int, /) -> str | None:
        """Return `file:line` of an address, or None."""

    def address(self, name: str, /) -> int | None:
        """Return the physical address of a function or variable, or None."""

    def virtual_address(self, name: str, /) -> int | None:
        """Return the virtual address of a function or variable, or None."""


class Symbols:
    """The functions of several images, firmware and kernel.

    Args:
        paths: ELF files and Images; the first one that knows an address answers.

    Raises:
        ImageError: a file is neither for this machine, or its symbol table is broken.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._tables: list[Table] = [_table(path) for path in paths]

    @classmethod
    def of_images(cls, paths: Iterable[Path]) -> Self:
        """Read those of a machine's images that have symbols to read; a flat firmware's addresses must do.

        Machines come one after another and boot the same: an image is read once, until its file changes.
        """
        symbols = cls(())
        for path in paths:
            with suppress(ImageError, OSError):
                status = path.stat()
                version = status.st_ino, status.st_size, status.st_mtime_ns
                symbols._tables.append(_table_of_version(path, version))
        return symbols

    def add(self, table: Table) -> None:
        """Ask another table where no image has an answer."""
        self._tables.append(table)

    def address(self, name: str) -> int | None:
        """Return the physical address of a function or variable, or None when no image has one so called."""
        found = (table.address(name) for table in self._tables)
        return next((address for address in found if address is not None), None)

    def virtual_address(self, name: str) -> int | None:
        """Return the virtual address of a function or variable, or None when no image has one so called."""
        found = (table.virtual_address(name) for table in self._tables)
        return next((address for address in found if address is not None), None)

    def function(self, address: int) -> Function | None:
        """Return the function that holds an address, or None."""
        return next(filter(None, (table.function(address) for table in self._tables)), None)

    def line(self, address: int) -> str | None:
        """Return `file:line` of an address, or None."""
        return next(filter(None, (table.line(address) for table in self._tables)), None)


def _table(path: Path) -> SymbolTable | ImageTable:
    """Read what a file's first bytes say it is."""
    with open_file(path, "symbols of") as file:
        header = file.read(IMAGE_HEADER.size)
    return ImageTable(path) if is_image(header) else SymbolTable(path)


@lru_cache(maxsize=8)
def _table_of_version(path: Path, _version: tuple[int, ...]) -> SymbolTable | ImageTable:
    return _table(path)


Records = npt.NDArray[np.void]


def _read_symbols(stream: BinaryIO, name: str) -> tuple[Records, bytes, Records]:
    """Return the symbol table, its strings, and where each section of code lies (others are empty)."""
    from elftools.elf.elffile import ELFFile  # 55 ms: not for those who never look at a symbol

    code = np.zeros(1 << 16, _SECTION)
    try:
        elf = ELFFile(stream)
        section = elf.get_section_by_name(".symtab")
        if section is None:
            return np.zeros(0, SYMBOL), b"", code
        for number, part in enumerate(elf.iter_sections()):
            if part["sh_flags"] & SHF_EXECINSTR:
                code[number] = part["sh_addr"], part["sh_addr"] + part["sh_size"]
        return np.frombuffer(section.data(), SYMBOL), elf.get_section(section["sh_link"]).data(), code
    except Exception as error:
        # pyelftools believes its input: a broken file raises whatever its parser trips over.
        raise ImageError(f"{name}: broken symbol table ({error!r:.100}); link it anew") from None


def _functions(symbols: Records, strings: bytes, code: Records) -> Records:
    """Return what names code, one symbol an address, sorted.

    Assembly often has no type (NOTYPE); names that begin with `.` or `$` are the assembler's own marks.
    """
    symbols = symbols[symbols["name"] < len(strings)]
    kind, binding = symbols["info"] & 15, symbols["info"] >> 4
    initials = np.frombuffer(strings, np.uint8)[symbols["name"]]
    named = ~np.isin(initials, np.frombuffer(b"\0.$", np.uint8))
    section = code[symbols["shndx"]]
    inside = (section["start"] <= symbols["value"]) & (symbols["value"] < section["end"])
    keep = named & inside & np.isin(kind, (STT_NOTYPE, STT_FUNC))
    best_first = np.lexsort((symbols["name"], binding != STB_GLOBAL, kind != STT_FUNC, symbols["value"]))
    ordered = symbols[best_first[keep[best_first]]]
    _, first = np.unique(ordered["value"], return_index=True)
    functions: Records = ordered[first]
    return functions
