"""Writing host images, in one step that either happens or does not."""

import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import msgspec
import numpy as np

from devices.memory import GuestMemory, Pages, runs
from hv.files import replacing, write_all
from hv.hostimage.format import CHUNK_PAGES, MAGIC, PROLOGUE, ROW, VERSION, Header, chunk, front_crc
from hv.hostimage.identity import MachineIdentity


def write_image(
    path: Path,
    memory: GuestMemory,
    ballooned: Pages,
    machine: MachineIdentity,
    virtual_ns: int,
) -> Header:
    """Write RAM to a host image, replacing what is at `path` in one step.

    Args:
        path: the image.
        memory: RAM of a machine that stands still.
        ballooned: for each page of RAM, whether the host has it (balloon): its contents are not kept.
        machine: what must be the same to resume.
        virtual_ns: its virtual time.

    Returns:
        The header that was written.

    Raises:
        HostError: it cannot be written; what was at `path` is still there.
    """
    saved = memory.nonzero() & ~ballooned
    pages_saved, pages_ballooned = int(saved.sum()), int(ballooned.sum())
    pages_zero = saved.size - pages_saved - pages_ballooned
    header = Header(machine, virtual_ns, pages_saved, pages_ballooned, pages_zero)
    with replacing(path, "host image") as file:
        _write(file, memory, saved, msgspec.json.encode(header))
    return header


def _chunks(saved: Pages) -> Iterator[tuple[int, int]]:
    """Yield (first page, pages) of the chunks that cover exactly the saved pages."""
    for start, end in runs(saved):
        for first in range(start, end, CHUNK_PAGES):
            yield first, min(CHUNK_PAGES, end - first)


def _write(file: FileIO, memory: GuestMemory, saved: Pages, header: bytes) -> None:
    table = np.array([(first, pages, 0) for first, pages in _chunks(saved)], ROW)
    file.seek(PROLOGUE.size + len(header) + table.nbytes)
    for row, (first, pages, _) in enumerate(table.tolist()):
        contents = chunk(memory, first, pages)
        table["crc"][row] = zlib.crc32(contents)
        write_all(file, contents)
    rows = table.tobytes()
    prologue = PROLOGUE.pack(MAGIC, VERSION, len(header), len(table), front_crc(header, rows))
    file.seek(0)
    write_all(file, memoryview(prologue + header + rows))
