"""Identity: how a machine that resumes is known to be the one that went to sleep.

An image holds the memory of a guest that believes in its disks and devices. `MachineIdentity` is what has
to be the same for that belief to stay true; the writer writes it down, the reader compares. Nothing in
it depends on where a file lies, what it is called, or when it was touched.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import msgspec

from devices.virtio.backends import BlockBackend
from hv import board
from hv.errors import ImageError
from hv.files import data_extents, open_file, read_at

DISK_BLOCK = 1 << 20
"""Bytes of a disk that are digested together."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
RamSize = Annotated[int, msgspec.Meta(ge=board.RAM_MIN, le=board.RAM_MAX, multiple_of=board.PAGE_SIZE)]
OnePerSlot = msgspec.Meta(max_length=len(board.VIRTIO_SLOTS))


class DiskIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which disk it is, wherever it lies.

    Attributes:
        size: bytes.
        sha256: digest over (offset, contents) of each MiB that is not all zero, in hex; holes do not matter.
    """

    size: Natural
    sha256: Digest


class MachineIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be the same in the machine that resumes.

    Attributes:
        ram_base: first physical address of RAM.
        ram_size: bytes of RAM.
        slots: virtio device id in each virtio-mmio slot, 0 for an empty one.
        legacy_virtio: whether the slots are version 1: a driver looks once, at its probe.
        firmware: SHA-256 of the firmware file, in hex: a reset goes through its entry point.
        kernel: SHA-256 of the kernel file, in hex: reports name its functions.
        disks: the disks, in the order of their slots.
    """

    ram_base: Natural
    ram_size: RamSize
    slots: Annotated[tuple[Natural, ...], OnePerSlot]
    legacy_virtio: bool
    firmware: Digest
    kernel: Digest
    disks: Annotated[tuple[DiskIdentity, ...], OnePerSlot]


def identify_disk(path: Path) -> DiskIdentity:
    """Read a disk and return what tells it from others; holes are passed over.

    Args:
        path: a raw image that nobody is writing to.

    Raises:
        ImageError: it cannot be read.
    """
    zero = bytes(DISK_BLOCK)
    digest = hashlib.sha256()
    done = 0
    with open_file(path, "disk") as file:
        size = os.fstat(file.fileno()).st_size
        for start, end in data_extents(file.fileno(), size):
            # Extents need not keep to our blocks: a block is read once, whole, if any of it is data.
            for at in range(max(start // DISK_BLOCK * DISK_BLOCK, done), end, DISK_BLOCK):
                block = read_at(file, at, min(DISK_BLOCK, size - at), f"disk {path}")
                if block != zero[: len(block)]:
                    digest.update(at.to_bytes(8, "little") + block)
                done = at + DISK_BLOCK
    return DiskIdentity(size, digest.hexdigest())


def identify_backend(backend: BlockBackend) -> DiskIdentity:
    """Do as `identify_disk` for a disk that is no file; the same contents have the same identity.

    Args:
        backend: the disk, which nobody is writing to.

    Raises:
        OSError: it cannot be read.
    """
    zero = bytes(DISK_BLOCK)
    digest = hashlib.sha256()
    for at in range(0, backend.size, DISK_BLOCK):
        block = bytearray(min(DISK_BLOCK, backend.size - at))
        backend.read(at, (memoryview(block),))
        if block != zero[: len(block)]:
            digest.update(at.to_bytes(8, "little") + block)
    return DiskIdentity(backend.size, digest.hexdigest())


def check_identity(name: str, then: MachineIdentity, now: MachineIdentity) -> None:
    """Refuse a file unless this is the machine that it was written for.

    Args:
        name: role and path of the file, for the message.
        then: what it says.
        now: the machine that is about to go on, with its disks as they are now.

    Raises:
        ImageError: something differs; names it and the fix.
    """

    def same(what: str, old: object, new: object, fix: str) -> None:
        if old != new:
            raise ImageError(f"{name}: {what}: {old} when it was written, {new} now; {fix}")

    same("base of RAM", then.ram_base, now.ram_base, "use the version that wrote it")
    unit, letter = (1 << 10, "K") if then.ram_size % board.MIB else (board.MIB, "M")
    same("bytes of RAM", then.ram_size, now.ram_size, f"give -m {then.ram_size // unit}{letter}")
    same("device ids in slots", then.slots, now.slots, "attach the same devices to the same slots")
    fix = "give --legacy-virtio" if then.legacy_virtio else "leave --legacy-virtio out"
    same("legacy virtio-mmio", then.legacy_virtio, now.legacy_virtio, fix)
    same("firmware", then.firmware, now.firmware, "give the same -bios")
    same("kernel", then.kernel, now.kernel, "give the same -kernel")
    same("number of disks", len(then.disks), len(now.disks), "attach the same disks")
    for number, (old, new) in enumerate(zip(then.disks, now.disks, strict=True)):
        same(f"size of disk {number}", old.size, new.size, "attach the same disks")
        fix = "put its copy of then back, or boot afresh"
        same(f"contents of disk {number}", old.sha256, new.sha256, fix)
