"""What a machine is made of: what the command line fills in and `hv.machine` builds from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devices.virtio.backends import BlockBackend
from devices.virtio.balloon import DEFAULT_FEATURES
from hv import board, images
from hv.errors import ConfigError
from hv.hostimage.identity import DiskIdentity, identify_backend, identify_disk
from hv.loader import BootPlan, plan_boot
from hv.misbehave import Fault
from hv.sanitizer import Mode

BALLOON_SLOT = 1
"""Default slot of the balloon; disks take 0, then 2 and up."""

COMMAND_LINE_SIZE = 1024
"""Bytes of a kernel's command line with its NUL, on RISC-V (Linux, `uapi/asm/setup.h`); more is cut off."""


@dataclass(frozen=True)
class Disk:
    """A virtio-blk device.

    Attributes:
        path: the raw image; sectors of 512 bytes.
        slot: virtio-mmio slot, or None for the next free one from 0 (passing over the balloon's).
        backend: what holds the sectors instead of a file; `path` is then no more than its name. Its owner
        closes it.
    """

    path: Path
    slot: int | None = None
    backend: BlockBackend | None = None

    def identify(self) -> DiskIdentity:
        """Return what tells its contents from other disks'; raises ImageError when they cannot be read."""
        return identify_disk(self.path) if self.backend is None else identify_backend(self.backend)


@dataclass(frozen=True)
class MachineConfig:
    """What a machine is made of.

    Attributes:
        ram: bytes, whole pages, 32 MiB to 8 GiB.
        bios: firmware, ELF or flat binary.
        kernel: the guest kernel, ELF or RISC-V Image.
        initrd: initial RAM disk, or None.
        append: kernel command line.
        disks: virtio-blk devices.
        balloon: the host's balloon target in pages, or None for a machine without a balloon device.
        balloon_slot: virtio-mmio slot of the balloon.
        balloon_features: names of the features that the balloon offers (`devices.virtio.balloon`).
        balloon_stats_ns: virtual ns from one request for the guest's statistics to the next; 0 for none.
        legacy_virtio: whether every virtio-mmio slot is version 1, the legacy interface.
        virtio_console: whether there is a virtio-console besides the UART.
        rng_seed: what a virtio-rng's answers are made from, or None for a machine without one.
        platform_sleep: whether the platform has a place to keep RAM in when the guest hibernates.
        sanitize: what a finding of the balloon sanitizer does to the run; None for no sanitizer.
        monitor: whether it is watched which clauses of the specification the guest's drivers keep.
        misbehave: faults that its devices commit.
    """

    ram: int = 128 * board.MIB
    bios: Path = images.FIRMWARE
    kernel: Path = images.GUEST
    initrd: Path | None = None
    append: str = ""
    disks: tuple[Disk, ...] = ()
    balloon: int | None = 0
    balloon_slot: int = BALLOON_SLOT
    balloon_features: frozenset[str] = DEFAULT_FEATURES
    balloon_stats_ns: int = 0
    legacy_virtio: bool = False
    virtio_console: bool = False
    rng_seed: int | None = None
    platform_sleep: bool = True
    sanitize: Mode | None = None
    monitor: bool = False
    misbehave: tuple[Fault, ...] = ()


def moved(disks: tuple[Disk, ...], paths: Sequence[Path]) -> tuple[Disk, ...]:
    """Return disks where they are now: all of them, in their order; empty for where they were.

    Raises:
        ConfigError: they are more, or fewer.
    """
    if not paths:
        return disks
    if len(paths) != len(disks):
        raise ConfigError(
            f"{len(paths)} times --disk: the machine has {len(disks)}; give all of them or none"
        )
    return tuple(replace(disk, path=path) for disk, path in zip(disks, paths, strict=True))


def plan(config: MachineConfig) -> BootPlan:
    """Read a machine's images and lay them out, without building the machine.

    Raises:
        ConfigError: the RAM size is not one the board can have, or the command line is too long.
        ImageError: an image is refused.
    """
    if not board.RAM_MIN <= config.ram <= board.RAM_MAX or config.ram % board.PAGE_SIZE:
        raise ConfigError(f"RAM of {config.ram} bytes: give -m a size of whole pages from 32M to 8G")
    length = len(config.append.encode("utf-8", "surrogateescape"))
    if length >= COMMAND_LINE_SIZE:
        raise ConfigError(
            f"-append of {length} bytes: a kernel takes at most {COMMAND_LINE_SIZE - 1}; shorten it"
        )
    return plan_boot(
        config.ram,
        config.bios,
        config.kernel,
        config.initrd,
        config.append,
        platform_sleep=config.platform_sleep,
    )


def check_place(path: Path, config: MachineConfig, what: str = "host image") -> None:
    """Find out before the guest runs whether its image can be written, not when all it did hangs on it.

    Args:
        path: where the image will be.
        config: the machine, none of whose own files the image may replace.
        what: what is to be there, for the message.

    Raises:
        ConfigError: it cannot, or must not, be there.
    """
    ours = [config.bios, config.kernel, config.initrd, *(disk.path for disk in config.disks)]
    try:
        if not path.parent.is_dir():
            raise ConfigError(f"{what} {path}: {path.parent} is not a folder; make it first")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"{what} {path}: its folder cannot be written to; choose another place")
        if path.exists() and not path.is_file():
            raise ConfigError(f"{what} {path}: not a regular file; choose another name")
        if any(file and file.exists() and path.exists() and path.samefile(file) for file in ours):
            raise ConfigError(f"{what} {path}: that is a file of the machine itself; choose another name")
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror}; choose another place") from None
