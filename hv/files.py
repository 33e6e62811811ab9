"""Files: reading those that come from outside, and writing ours in one step.

A failure to read is an `ImageError`, a failure to write a `HostError`; both name the file and the fix.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from hv.errors import HostError, ImageError


def open_file(path: Path, what: str) -> FileIO:
    """Open a regular file for reading, without buffering.

    Args:
        path: the file.
        what: its role, for the message ("kernel", "host image").

    Raises:
        ImageError: it is missing, unreadable, or no regular file (a directory, a pipe that would block us).
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer would wait for ever; regular files ignore the flag.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ImageError(f"{what} {path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"{what} {path}: cannot be opened ({reason}); check the path and its mode") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ImageError(f"{what} {path}: not a regular file; give the file itself")
    return os.fdopen(fd, "rb", buffering=0)


def read_at(file: FileIO, offset: int, length: int, name: str) -> bytes:
    """Read exactly `length` bytes at `offset`.

    Args:
        file: an unbuffered file from `open_file`.
        offset: bytes from its start.
        length: bytes wanted; the caller has bounded it.
        name: role and path of the file, for the message.

    Raises:
        ImageError: the file ends before, or cannot be read.
    """
    size = os.fstat(file.fileno()).st_size
    if offset + length > size:
        raise ImageError(
            f"{name}: truncated, {length} bytes at {offset} are past its end ({size}); use another copy"
        )
    data = bytearray(length)
    file.seek(offset)
    read_into(file, memoryview(data), name)
    return bytes(data)


def read_into(file: FileIO, target: memoryview, name: str) -> None:
    """Fill `target` from the file's position on.

    Args:
        file: an unbuffered file from `open_file`.
        target: writable bytes.
        name: role and path of the file, for the message.

    Raises:
        ImageError: the file ends before, or cannot be read.
    """
    while target:
        try:
            count = file.readinto(target)
        except OSError as error:
            raise ImageError(f"{name}: cannot be read ({error.strerror}); check the disk it is on") from None
        if not count:
            raise ImageError(f"{name}: became shorter while it was read; use another copy")
        target = target[count:]


def data_extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of what a sparse file or memfd holds; the rest is holes, which read zero.

    Args:
        fd: the file.
        size: its bytes.
    """
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:  # ENXIO: only holes are left
            return
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end


@contextmanager
def replacing(path: Path, what: str) -> Iterator[FileIO]:
    """Write a file that is there whole or not at all, and that only its owner can read.

    It is written under a temporary name in its own folder, synced, renamed, and the folder synced; when the
    block raises, what was at `path` is still there.

    Args:
        path: the file.
        what: its role, for the message ("host image").

    Raises:
        HostError: it cannot be written.
    """
    try:
        fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(fd, "wb", buffering=0) as file:
                yield file
                os.fsync(fd)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise HostError(
            f"{what} {path}: cannot be written ({error.strerror}); choose another place"
        ) from None


def write_all(file: FileIO, data: memoryview) -> None:
    """Write all of `data` at the file's position; raises OSError."""
    while data:
        data = data[file.write(data) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
