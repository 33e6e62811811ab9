"""Writing host images, in one step that either happens or does not."""

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from devices.memory import GuestMemory
from hv import board
from hv.errors import HostError
from hv.files import data_extents
from hv.hostimage.format import CHUNK_PAGES, MAGIC, PROLOGUE, ROW, VERSION, Header, chunk, front_crc
from hv.hostimage.identity import MachineIdentity


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
        machine: what must be the same to resume.
        virtual_ns: its virtual time.

    Returns:
        The header that was written.

    Raises:
        HostError: it cannot be written; what was at `path` is still there.
    """
    saved = _touched(memory) & ~ballooned
    pages_saved, pages_ballooned = int(saved.sum()), int(ballooned.sum())
    pages_zero = saved.size - pages_saved - pages_ballooned
    header = Header(machine, virtual_ns, pages_saved, pages_ballooned, pages_zero)
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
