"""Reading host images, as files from outside: nothing is believed before it was verified."""

import os
import zlib
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import numpy.typing as npt

from devices.memory import GuestMemory, GuestMemoryError
from hv import board
from hv.errors import HostError, ImageError
from hv.files import open_file, read_at, read_into
from hv.hostimage.format import CHUNK_PAGES, MAGIC, PROLOGUE, ROW, VERSION, Header, chunk, front_crc
from hv.hostimage.identity import MachineIdentity, check_identity

HEADER_MAX = 1 << 16
"""Bytes of JSON that are read at most."""


def open_image(path: Path) -> "HostImage":
    """Open a host image and verify all of it but the contents.

    Args:
        path: the image.

    Raises:
        ImageError: it is no host image, of another version, damaged, or truncated.
    """
    file = open_file(path, "host image")
    try:
        return HostImage(file, f"host image {path}")
    except BaseException:
        file.close()
        raise


class HostImage:
    """An open host image (`open_image`). A context manager: it holds the file.

    Attributes:
        header: what the image says of itself.
    """

    def __init__(self, file: FileIO, name: str) -> None:
        self._file = file
        self._name = name
        self.header, self._table, self._contents_at = _read_front(file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    def check(self, now: MachineIdentity) -> None:
        """Refuse the image unless this is the machine that went to sleep.

        Args:
            now: the machine that is about to resume, with its disks as they are now.

        Raises:
            ImageError: something differs; names it and the fix.
        """
        check_identity(self._name, self.header.machine, now)

    def load(self, ram_size: int) -> GuestMemory:
        """Return new RAM with the image's contents, every one of them verified.

        Args:
            ram_size: bytes of RAM that the machine has.

        Raises:
            ImageError: RAM was of another size, a checksum is wrong, or the file ends early.
            HostError: the host has no memory for it.
        """
        then = self.header.machine
        check_identity(
            self._name, then, msgspec.structs.replace(then, ram_size=ram_size, ram_base=board.DRAM_BASE)
        )
        try:
            memory = GuestMemory.allocate(board.DRAM_BASE, ram_size)
        except GuestMemoryError as error:
            raise HostError(f"{self._name}: {error}; free some memory") from None
        self._file.seek(self._contents_at)
        for first, pages, crc in self._table.tolist():
            contents = chunk(memory, first, pages)
            read_into(self._file, contents, self._name)
            if zlib.crc32(contents) != crc:
                raise ImageError(f"{self._name}: checksum of page {first} and on is wrong; use another copy")
        return memory


def _read_front(file: FileIO, name: str) -> tuple[Header, npt.NDArray[np.void], int]:
    """Read and verify what precedes the contents; return header, table, and where the contents begin."""
    prologue = read_at(file, 0, PROLOGUE.size, name)
    magic, version, header_size, rows, crc = PROLOGUE.unpack(prologue)
    if magic != MAGIC:
        raise ImageError(f"{name}: not a host image; give one that `thawvisor hibernate` wrote")
    if version != VERSION:
        raise ImageError(
            f"{name}: version {version} is not {VERSION}; thaw it with the version that wrote it"
        )
    if header_size > HEADER_MAX:
        raise ImageError(f"{name}: a header of {header_size} bytes; it is damaged, use another copy")
    front = read_at(file, PROLOGUE.size, header_size + rows * ROW.itemsize, name)
    text, table_bytes = front[:header_size], front[header_size:]
    if front_crc(text, table_bytes) != crc:
        raise ImageError(f"{name}: checksum of the header is wrong; use another copy")
    try:
        header = msgspec.json.decode(text, type=Header)
    except msgspec.MsgspecError as error:
        raise ImageError(
            f"{name}: bad header ({str(error)!r:.200}); thaw it with the version that wrote it"
        ) from None
    table = np.frombuffer(table_bytes, ROW)
    contents_at = PROLOGUE.size + len(front)
    _check_table(header, table, os.fstat(file.fileno()).st_size - contents_at, name)
    return header, table, contents_at


def _check_table(header: Header, table: npt.NDArray[np.void], contents: int, name: str) -> None:
    """Refuse a table whose chunks are not in order, in RAM, and as many as the header and the file say."""
    first, pages = table["first"].astype(np.int64), table["pages"].astype(np.int64)
    ends = first + pages
    ram_pages = header.machine.ram_size // board.PAGE_SIZE
    if (pages < 1).any() or (pages > CHUNK_PAGES).any():
        reason = f"a chunk is not of 1 to {CHUNK_PAGES} pages"
    elif (first[1:] < ends[:-1]).any():
        reason = "chunks overlap or are out of order"
    elif (ends > ram_pages).any():
        reason = f"a chunk is outside its {ram_pages} pages of RAM"
    elif header.pages_saved != pages.sum():
        reason = f"pages_saved {header.pages_saved} is not the table's {pages.sum()}"
    elif header.pages_saved + header.pages_ballooned + header.pages_zero != ram_pages:
        reason = f"pages_saved, pages_ballooned and pages_zero do not add up to {ram_pages}"
    elif contents != header.pages_saved * board.PAGE_SIZE:
        reason = f"{contents} bytes of contents for {header.pages_saved} pages: truncated, or of two files"
    else:
        return
    raise ImageError(f"{name}: {reason}; use another copy")
