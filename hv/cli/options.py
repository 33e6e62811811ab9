"""Options that several verbs share: the parts of a machine, with QEMU's names."""

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import click

from hv import board, images
from hv.machine import BALLOON_SLOT, Disk, MachineConfig


class Size(click.ParamType[int]):
    """A size in bytes: `256M`, `2G`, `64K`; a bare number is MiB, as in QEMU's -m."""

    name = "size"
    _UNITS: ClassVar = {"": board.MIB, "K": 1 << 10, "M": board.MIB, "G": board.GIB}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the size in bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", value.strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is not a size: write 256M, 2G, 64K, or a bare number of MiB", param, ctx)
        size = int(match[1]) * self._UNITS[match[2].upper()]
        if size % board.PAGE_SIZE:
            self.fail(f"{value!r} is not a whole number of 4 KiB pages", param, ctx)
        return size


class DiskOption(click.ParamType[Disk]):
    """A disk: `PATH` or `PATH,slot=N`."""

    name = "path[,slot=N]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Disk:
        """Return the disk's path and slot."""
        if isinstance(value, Disk):
            return value
        match = re.fullmatch(r"(.+?)(?:,slot=(\d+))?", value)
        if match is None:
            self.fail(f"{value!r} is not PATH or PATH,slot=N", param, ctx)
        return Disk(Path(match[1]), None if match[2] is None else int(match[2]))


FILE = click.Path(path_type=Path)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the machine's options to a command, which gets them as one `config: MachineConfig`."""

    @click.option(
        "-m", "ram", type=Size(), default="128M", show_default=True, help="Guest RAM (bare number: MiB)."
    )
    @click.option(
        "-kernel", type=FILE, default=images.GUEST, help="Kernel, ELF or Image (default: the toy kernel)."
    )
    @click.option(
        "-bios", type=FILE, default=images.FIRMWARE, help="Firmware, ELF or flat (default: our own)."
    )
    @click.option("-initrd", type=FILE, help="Initial RAM disk.")
    @click.option("-append", default="", help="Kernel command line.")
    @click.option("--disk", "disks", type=DiskOption(), multiple=True, help="A raw disk image (virtio-blk).")
    @click.option(
        "--balloon",
        type=Size(),
        default="0",
        show_default=True,
        help="The host's target: size of the balloon, not of the RAM left.",
    )
    @click.option("--balloon-slot", type=click.IntRange(0, 7), default=BALLOON_SLOT, show_default=True)
    @wraps(command)
    def with_config(
        ram: int,
        kernel: Path,
        bios: Path,
        initrd: Path | None,
        append: str,
        disks: tuple[Disk, ...],
        balloon: int,
        balloon_slot: int,
        **others: Any,
    ) -> Any:
        config = MachineConfig(
            ram=ram,
            bios=bios,
            kernel=kernel,
            initrd=initrd,
            append=append,
            disks=disks,
            balloon=balloon // board.PAGE_SIZE,
            balloon_slot=balloon_slot,
        )
        return command(config=config, **others)

    return with_config
