"""The host image: S4 as the platform sees it. RAM survives in a file; whoever resumes has fresh devices.

The guest freezes its tasks and devices and asks the firmware to sleep (SBI SUSP); the firmware asks the
platform to keep RAM (`thawvisor,platform-sleep`). `write_image` puts RAM into a file, the machine ends, and
some later process makes a new machine over the RAM that `hv.thaw` gives it. What the firmware needs to
resume the guest is in its own part of RAM: there is no CPU or device state here. (That is a snapshot:
another thing, another format.)

# The file, version 1

All numbers are little-endian; a page is 4096 bytes; nothing lies between the parts or after the last.

- prologue: magic `THAWRAM\\n`; u32 version; u32 bytes of header; u32 rows in table; u32 CRC-32
- header: JSON, a `Header`
- table: one row a chunk: u32 first page (RAM's first is 0); u32 pages (1..256); u32 CRC-32 of its contents
- contents: the pages of every row, in the order of the table

The CRC-32 in the prologue (that of zlib) is over the prologue up to it, the header and the table. Rows
ascend and do not overlap. A page in no row is zero on resume: it was in the balloon, never touched, or held
only zeros.

# What a reader may rely on

A file from outside is untrusted: sizes, order, overlap and every checksum are verified, and what does not
fit is an `ImageError`. `HostImage.load` fills RAM that nobody has seen yet and hands it out only when the
last checksum was right, so no part of a bad image is ever run, and a file that changes while it is read is
noticed.

A file is written under a temporary name in its own folder, synced, renamed, and the folder synced: under
its name there is always a whole image, the old or the new. It holds all of the guest's memory, so only its
owner can read it (mode 0600).

# Thawing twice

An image is a value: thawing it does not consume it, and without disks it may be thawed a thousand times.
With disks, the second thaw would put the memory of then over the files of now. So the header pins each disk
by its size and a digest of its contents, and `HostImage.check` refuses a disk that is not, byte for byte,
the one the guest went to sleep with; where it lies and what it is called do not matter. The first thaw's
first write to the disk ends the image's life over this disk, but not over a copy made before.
"""

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from devices.memory import GuestMemory
from hv import board
from hv.errors import HostError
from hv.files import data_extents
from hv.identity import MachineIdentity, Natural

MAGIC = b"THAWRAM\n"
VERSION = 1
CHUNK_PAGES = 256
"""Pages in a chunk at most: what a checksum covers."""

PROLOGUE = struct.Struct("<8s4I")
ROW = np.dtype([("first", "<u4"), ("pages", "<u4"), ("crc", "<u4")])

PageCount = Annotated[int, msgspec.Meta(ge=0, le=board.RAM_MAX // board.PAGE_SIZE)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an image says of itself; counts are pages of 4 KiB, and add up to RAM.

    Attributes:
        machine: the machine that went to sleep.
        virtual_ns: its virtual time then, in ns.
        saved_pages: pages in the file.
        ballooned_pages: pages left out because the host had them (the balloon).
        zero_pages: pages left out because they were never touched, or zero.
    """

    machine: MachineIdentity
    virtual_ns: Natural
    saved_pages: PageCount
    ballooned_pages: PageCount
    zero_pages: PageCount


def write_image(
    path: Path,
    memory: GuestMemory,
    ballooned: npt.NDArray[np.bool_],
    machine: MachineIdentity,
    virtual_ns: int,
) -> Header:
    """Write RAM to a host image, replacing what is at `path` in one step.

    Args:
        path: the image.
        memory: RAM of a machine that stands still.
        ballooned: for each page of RAM, whether the host has it (balloon): its contents are not kept.
        machine: the machine.
        virtual_ns: its virtual time.

    Returns:
        The header that was written.

    Raises:
        HostError: it cannot be written; what was at `path` is still there.
    """
    saved = _touched(memory) & ~ballooned
    counts = int(saved.sum()), int(ballooned.sum())
    header = Header(machine, virtual_ns, *counts, zero_pages=saved.size - sum(counts))
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(fd, "wb", buffering=0) as file:
                _write(file, memory, saved, msgspec.json.encode(header))
                os.fsync(fd)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise HostError(
            f"host image {path}: cannot be written ({error.strerror}); choose another place"
        ) from None
    return header


def front_crc(header: bytes, rows: bytes) -> int:
    """Return the checksum of what precedes the contents: the prologue up to it, header and table.

    Args:
        header: JSON.
        rows: the table.
    """
    sizes = PROLOGUE.pack(MAGIC, VERSION, len(header), len(rows) // ROW.itemsize, 0)[:-4]
    return zlib.crc32(sizes + header + rows)


def chunk(memory: GuestMemory, first: int, pages: int) -> memoryview:
    """Return RAM's own bytes for a row of the table.

    Args:
        memory: RAM.
        first: number of the first page, RAM's first being 0.
        pages: number of pages.
    """
    return memory.view(memory.base + first * board.PAGE_SIZE, pages * board.PAGE_SIZE).data


def _touched(memory: GuestMemory) -> npt.NDArray[np.bool_]:
    """Return for each page whether it is not zero; looking at a hole would make the host give it a page."""
    touched = np.zeros(memory.size // board.PAGE_SIZE, np.bool_)
    for start, end in data_extents(memory.fd, memory.size):
        words = memory.ram[start:end].view(np.uint64).reshape(-1, board.PAGE_SIZE // 8)
        touched[start // board.PAGE_SIZE : end // board.PAGE_SIZE] = words.any(axis=1)
    return touched


def _chunks(saved: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield (first page, pages) of the chunks that cover exactly the saved pages."""
    edges = np.flatnonzero(np.diff(saved, prepend=False, append=False)).tolist()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        for first in range(start, end, CHUNK_PAGES):
            yield first, min(CHUNK_PAGES, end - first)


def _write(file: FileIO, memory: GuestMemory, saved: npt.NDArray[np.bool_], header: bytes) -> None:
    table = np.array([(first, pages, 0) for first, pages in _chunks(saved)], ROW)
    file.seek(PROLOGUE.size + len(header) + table.nbytes)
    for row, (first, pages, _) in enumerate(table.tolist()):
        contents = chunk(memory, first, pages)
        table["crc"][row] = zlib.crc32(contents)
        _write_all(file, contents)
    rows = table.tobytes()
    prologue = PROLOGUE.pack(MAGIC, VERSION, len(header), len(table), front_crc(header, rows))
    file.seek(0)
    _write_all(file, memoryview(prologue + header + rows))


def _write_all(file: FileIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
