"""The guest's first root file system: busybox, the virtio drivers, and an init of ours."""

import hashlib
import lzma
from collections.abc import Mapping
from importlib.resources import files

from hv.linux import cpio

MODULES = ("virtio_mmio", "virtio_blk", "virtio_balloon", "virtio-rng")
"""Drivers that Debian builds as modules; they need no others."""

_FOLDERS = (
    "bin",
    "dev",
    "etc",
    "lib",
    "lib/modules",
    "proc",
    "root",
    "sbin",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/sbin",
)


def recipe() -> bytes:
    """Return what says how `initramfs` makes an archive: it changes when that does."""
    return hashlib.sha256(initramfs(b"", dict.fromkeys(MODULES, lzma.compress(b"")))).hexdigest().encode()


def initramfs(busybox: bytes, modules: Mapping[str, bytes]) -> bytes:
    """Return the archive; the same bytes for the same parts.

    Args:
        busybox: the static program.
        modules: for each of MODULES the driver, compressed by xz.
    """
    ours = files("hv.linux") / "rootfs"
    entries = [cpio.directory(folder) for folder in _FOLDERS]
    entries += [
        cpio.character_device("dev/console", 5, 1),  # the kernel gives it to init before there is a devtmpfs
        cpio.file("bin/busybox", busybox, executable=True),
        cpio.file("init", (ours / "init").read_bytes(), executable=True),
        cpio.file("bin/channel", (ours / "channel").read_bytes(), executable=True),
        cpio.file("etc/inittab", (ours / "inittab").read_bytes()),
        cpio.file("etc/words", (ours / "words").read_bytes()),
    ]
    entries += [cpio.file(f"lib/modules/{name}.ko", lzma.decompress(modules[name])) for name in MODULES]
    return cpio.archive(entries)
