"""Line numbers: DWARF, read when somebody asks, one compilation unit at a time.

A wrong line is worse than none, and none is no reason to lose a crash report: a file that has changed since
its symbols were read answers nothing, and neither does debug information that cannot be understood.

Source: DWARF 4 and 5, section 6.2 (the shape of line programs is pyelftools' business).
"""

import os
from collections.abc import Iterator
from functools import cached_property
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from hv.errors import ImageError
from hv.files import open_file

_COUNTED_FROM_0 = 5
"""DWARF version that counts files and directories from 0; older ones from 1, and leave directory 0 unsaid."""


class LineTable:
    """The lines of one ELF.

    Args:
        path: the ELF.
        status: its status when its symbols were read.
    """

    def __init__(self, path: Path, status: os.stat_result) -> None:
        self._path = path
        self._status = status

    def find(self, address: int) -> str | None:
        """Return `file:line` for a virtual address, or None."""
        try:
            return next(self._find(address), None)
        except Exception:
            # pyelftools believes its input: broken debug information raises whatever its parser trips over.
            return None

    def _find(self, address: int) -> Iterator[str]:
        for unit, low, high in self._ranges:
            if low <= address < high:
                yield from _rows(unit, address)

    @cached_property
    def _ranges(self) -> list[tuple[Any, int, int]]:
        """The compilation units and the addresses each says that it covers."""
        from elftools.elf.elffile import ELFFile

        try:
            file = open_file(self._path, "debug information of")
        except ImageError:
            return []
        with file, BufferedReader(file) as stream:
            status = os.fstat(file.fileno())
            if (status.st_ino, status.st_size, status.st_mtime_ns) != (
                self._status.st_ino,
                self._status.st_size,
                self._status.st_mtime_ns,
            ):
                return []
            elf = ELFFile(stream)
            if not elf.has_dwarf_info():
                return []
            dwarf = elf.get_dwarf_info()  # copies the sections: the file can be closed
        return [(unit, low, high) for unit in dwarf.iter_CUs() for low, high in _covered(dwarf, unit)]


def _covered(dwarf: Any, unit: Any) -> Iterator[tuple[int, int]]:
    """Yield the address ranges of a compilation unit (DWARF 2.17)."""
    top = unit.get_top_DIE().attributes
    low = top["DW_AT_low_pc"].value if "DW_AT_low_pc" in top else 0
    if "DW_AT_high_pc" in top:
        high = top["DW_AT_high_pc"]
        yield low, high.value if high.form == "DW_FORM_addr" else low + high.value
    elif "DW_AT_ranges" in top:
        base = low
        for entry in dwarf.range_lists().get_range_list_at_offset(top["DW_AT_ranges"].value, unit):
            if hasattr(entry, "base_address"):
                base = entry.base_address
            else:
                offset = 0 if getattr(entry, "is_absolute", False) else base
                yield offset + entry.begin_offset, offset + entry.end_offset


def _rows(unit: Any, address: int) -> Iterator[str]:
    """Yield the line of the row that covers the address; line 0 is code that no line of source stands for."""
    program = unit.dwarfinfo.line_program_for_CU(unit)
    previous = None
    for entry in program.get_entries() if program else ():
        state = entry.state
        if state is None:
            continue
        if previous is not None and previous.line and previous.address <= address < state.address:
            yield f"{_source(unit, program.header, previous.file)}:{previous.line}"
        previous = None if state.end_sequence else state


def _source(unit: Any, header: Any, number: int) -> PurePosixPath:
    """Return the name of a file of a line program, relative to where it was compiled."""
    base = 0 if header.version >= _COUNTED_FROM_0 else 1
    file = header.file_entry[number - base]
    path = PurePosixPath(file.name.decode())
    if file.dir_index >= base:
        path = PurePosixPath(header.include_directory[file.dir_index - base].decode()) / path
    compiled_in = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    if compiled_in and path.is_relative_to(compiled_in.value.decode()):
        path = path.relative_to(compiled_in.value.decode())
    return path
