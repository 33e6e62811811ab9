"""What a Linux guest is booted from: a folder with kernel and initramfs, made from Debian's packages."""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from hv.errors import HostError
from hv.files import replacing, write_all
from hv.linux.apt import Apt
from hv.linux.deb import read_members
from hv.linux.initramfs import MODULES, initramfs, recipe

RELEASE, ARCHITECTURE = "trixie", "riscv64"
_KERNEL = "linux-image-riscv64"
"""The package that depends on the newest kernel."""

PACKAGES = ("linux-image-*-riscv64", "busybox-static", "opensbi")
"""What is needed of Debian, for those who bring it by hand."""

_KERNEL_IMAGE = re.compile(r"boot/vmlinux-[^/]+")
_MODULE = re.compile(rf"usr/lib/modules/.*/({'|'.join(MODULES)})\.ko\.xz")
_BUSYBOX = "usr/bin/busybox"
_OPENSBI = "usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"


class Kit(NamedTuple):
    """A folder with what a Linux guest is booted from."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel, a plain Image."""
        return self.folder / "Image"

    @property
    def initrd(self) -> Path:
        """The initramfs."""
        return self.folder / "initrd.cpio"

    @property
    def opensbi(self) -> Path:
        """Debian's M-mode firmware."""
        return self.folder / "opensbi.bin"

    @property
    def recipe(self) -> Path:
        """What the initramfs was made by: written last."""
        return self.folder / "recipe"

    @property
    def complete(self) -> bool:
        """Whether it is all there, and made as it would be made today."""
        try:
            return self.recipe.read_bytes() == recipe()
        except OSError:
            return False


def default_folder() -> Path:
    """Return where a kit lies unless someone says otherwise: among the user's caches."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "thawvisor" / f"linux-{RELEASE}"


def ensure(folder: Path) -> Kit:
    """Return the kit in a folder, fetched if it is not there; one of several processes does it for all.

    Args:
        folder: where; made if it is not there.

    Raises:
        HostError: it cannot be fetched.
    """
    kit = Kit(folder)
    if not kit.complete:
        _make(folder)
        with _locked(folder):
            if not kit.complete:
                fetch(folder)
    return kit


def fetch(folder: Path) -> Kit:
    """Make a kit from packages that apt downloads.

    Args:
        folder: where; made if it is not there.

    Raises:
        HostError: there is no apt, no network, no place: says what to provide by hand.
    """
    _make(folder)
    with ExitStack() as closing:
        try:
            apt = closing.enter_context(Apt(RELEASE, ARCHITECTURE))
            packages = [apt.download(name) for name in (apt.dependency(_KERNEL), *PACKAGES[1:])]
        except HostError as error:
            raise HostError(
                f"{error}; bring the packages {', '.join(PACKAGES)} of Debian {RELEASE} for {ARCHITECTURE} "
                "yourself: `thawvisor linux fetch FILE.deb...`"
            ) from None
        return assemble(folder, packages)


def assemble(folder: Path, packages: Sequence[Path]) -> Kit:
    """Make a kit from packages.

    Args:
        folder: where; made if it is not there.
        packages: the files of PACKAGES, in any order.

    Raises:
        ImageError: one is no package.
        HostError: something is missing, or cannot be written.
    """
    found: dict[str, bytes] = {}
    for package in packages:
        found |= read_members(package, _wanted)
    kernel = next((data for path, data in found.items() if _KERNEL_IMAGE.fullmatch(path)), None)
    modules = {match[1]: data for path, data in found.items() if (match := _MODULE.fullmatch(path))}
    busybox, opensbi = found.get(_BUSYBOX), found.get(_OPENSBI)
    if kernel is None or busybox is None or opensbi is None or len(modules) < len(MODULES):
        raise HostError(
            f"the packages lack a kernel with its modules, busybox or OpenSBI: give {', '.join(PACKAGES)}"
        )
    _make(folder)
    kit = Kit(folder)
    contents = {
        kit.kernel: kernel,
        kit.initrd: initramfs(busybox, modules),
        kit.opensbi: opensbi,
        kit.recipe: recipe(),
    }
    for path, data in contents.items():
        with replacing(path, "Linux kit") as file:
            write_all(file, memoryview(data))
    return kit


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process is here, and keep others out."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"Linux kit {folder}: {error.strerror}; give another --dir") from None


def _wanted(path: str) -> bool:
    return path in (_BUSYBOX, _OPENSBI) or bool(_KERNEL_IMAGE.fullmatch(path) or _MODULE.fullmatch(path))
