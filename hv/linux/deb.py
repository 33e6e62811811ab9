"""Debian packages: an `ar` archive with a compressed tar archive in it.

Source: deb(5).
"""

import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from hv.errors import ImageError
from hv.files import open_file

_MAGIC = b"!<arch>\n"
_HEADER_SIZE = 60
_SIZE = slice(48, 58)
_DATA = b"data.tar"


def read_members(package: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Read some of the files in a package.

    Args:
        package: the .deb.
        wanted: says of a path (`usr/bin/busybox`) whether to read it.

    Returns:
        Contents by path; symbolic links are passed over.

    Raises:
        ImageError: it is no package.
    """
    name = f"package {package}"
    try:
        with tarfile.open(fileobj=BytesIO(_data(package, name)), mode="r:*") as archive:
            return {
                path: file.read()
                for member in archive
                if wanted(path := member.name.removeprefix("./"))
                and member.isfile()
                and (file := archive.extractfile(member)) is not None
            }
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ImageError(f"{name}: broken ({error}); download it again") from None


def _data(package: Path, name: str) -> bytes:
    """Return the compressed tar archive of a package's files."""
    with open_file(package, "package") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ImageError(f"{name}: not a Debian package; give a .deb")
        while len(header := file.read(_HEADER_SIZE)) == _HEADER_SIZE and header[_SIZE].strip().isdigit():
            size = int(header[_SIZE])
            if header.startswith(_DATA):
                return file.read(size)
            file.seek(size + size % 2, 1)
    raise ImageError(f"{name}: has no data in it; download it again")
