"""The archive that Linux unpacks into its first root file system: cpio, format "newc".

The same entries make the same bytes: no times, no owners, inode numbers in order.

Source: Linux `Documentation/driver-api/early-userspace/buffer-format.rst`.
"""

import stat
from collections.abc import Iterable
from typing import NamedTuple

_MAGIC = "070701"
_TRAILER = "TRAILER!!!"


class Entry(NamedTuple):
    """A file, a directory or a device.

    Attributes:
        path: without a leading slash.
        mode: type and permissions, as in `stat`.
        data: contents of a file.
        device: major and minor number of a device.
    """

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(path: str, data: bytes, *, executable: bool = False) -> Entry:
    """Return a regular file."""
    return Entry(path, stat.S_IFREG | (0o755 if executable else 0o644), data)


def directory(path: str) -> Entry:
    """Return a directory; it goes before what is in it."""
    return Entry(path, stat.S_IFDIR | 0o755)


def character_device(path: str, major: int, minor: int) -> Entry:
    """Return a character device."""
    return Entry(path, stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive of all entries, in order."""
    parts: list[bytes] = []
    for inode, entry in enumerate([*entries, Entry(_TRAILER, 0)], start=1):
        name = entry.path.encode() + b"\0"
        links = 1 if entry.mode else 0
        major, minor = entry.device
        # inode, mode, uid, gid, links, mtime, size, device that it is on (2), device (2), length of name, sum
        fields = inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, major, minor, len(name), 0
        header = (_MAGIC + "".join(f"{field:08X}" for field in fields)).encode() + name
        parts += header, bytes(-len(header) % 4), entry.data, bytes(-len(entry.data) % 4)
    return b"".join(parts)
