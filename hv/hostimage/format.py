"""The format of host images, as `hv.hostimage` describes it: what writer and reader share."""

import struct
import zlib
from typing import Annotated

import msgspec
import numpy as np

from devices.memory import GuestMemory
from hv import board
from hv.hostimage.identity import MachineIdentity, Natural

MAGIC = b"THAWRAM\n"
VERSION = 2
CHUNK_PAGES = 256
"""Pages in a chunk at most: what a checksum covers."""

PROLOGUE = struct.Struct("<8s4I")
ROW = np.dtype([("first", "<u4"), ("pages", "<u4"), ("crc", "<u4")])

PageCount = Annotated[int, msgspec.Meta(ge=0, le=board.RAM_MAX // board.PAGE_SIZE)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an image says of itself; counts are pages of 4 KiB, and add up to RAM.

    Attributes:
        machine: what must be the same to resume.
        virtual_ns: its virtual time then, in ns.
        pages_saved: pages in the file.
        pages_ballooned: pages left out because the host had them (the balloon).
        pages_zero: pages left out because they were never touched, or zero.
    """

    machine: MachineIdentity
    virtual_ns: Natural
    pages_saved: PageCount
    pages_ballooned: PageCount
    pages_zero: PageCount


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
