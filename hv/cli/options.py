"""Options that several verbs share: the parts of a machine, with QEMU's names."""

import re
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from shlex import quote
from typing import Any

import click

from devices.virtio.balloon import ALL_FEATURES, DEFAULT_FEATURES
from devices.virtio.rng import SEED_MAX
from hv import board, images
from hv.config import BALLOON_SLOT, Disk, MachineConfig
from hv.misbehave import fault
from hv.qmp.address import FORM, parse_address
from hv.sanitizer import Mode

QMP = click.option(
    "-qmp",
    multiple=True,
    callback=lambda _context, _option, values: tuple(map(parse_address, values)),
    metavar=FORM,
    help="Listen there for QMP clients (docs/qmp.md).",
)

_UNITS = {"": board.MIB, "K": 1 << 10, "M": board.MIB, "G": board.GIB}


def size(text: str) -> int:
    """Read a size in bytes: `256M`, `2G`, `64K`; a bare number is MiB, as in QEMU's -m.

    Raises:
        BadParameter: it is no size, or no whole number of pages.
    """
    match = re.fullmatch(r"([0-9]+)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size: write 256M, 2G, 64K, or a bare number of MiB")
    count = int(match[1]) * _UNITS[match[2].upper()]
    if count % board.PAGE_SIZE:
        raise click.BadParameter(f"{text!r} is not a whole number of 4 KiB pages")
    return count


def pages(text: str) -> int:
    """Read a size as a number of pages; raises BadParameter as `size` does."""
    return size(text) // board.PAGE_SIZE


def disk(text: str) -> Disk:
    """Read a disk: `PATH` or `PATH,slot=N`.

    Raises:
        BadParameter: it is neither.
    """
    path, comma, slot = text.rpartition(",slot=")
    if not comma:
        path, slot = text, "0"
    if not path or not re.fullmatch("[0-9]+", slot):
        raise click.BadParameter(f"{text!r} is not PATH or PATH,slot=N")
    return Disk(Path(path), int(slot) if comma else None)


def balloon_features(text: str) -> frozenset[str]:
    """Read a list of balloon features: names, `all`, `none`; `+NAME` and `-NAME` change the default.

    Raises:
        BadParameter: a name is none.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    named: frozenset[str] = DEFAULT_FEATURES if words and words[0][0] in "+-" else frozenset()
    for word in words:
        names = {"all": ALL_FEATURES, "none": frozenset()}.get(word, frozenset({word.lstrip("+-")}))
        if not names <= ALL_FEATURES:
            raise click.BadParameter(f"{word!r} is no balloon feature: {', '.join(sorted(ALL_FEATURES))}")
        named = named - names if word.startswith("-") else named | names
    return named


def milliseconds(text: str) -> int:
    """Read whole milliseconds as ns; raises BadParameter."""
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        raise click.BadParameter(f"{text!r} is no time: give whole milliseconds")
    return int(text) * 1_000_000


FILE = click.Path(path_type=Path)

_BOOT = (
    click.option(
        "-m", "ram", type=size, default="128M", show_default=True, help="Guest RAM (bare number: MiB)."
    ),
    click.option(
        "-kernel", type=FILE, default=images.GUEST, help="Kernel, ELF or Image (default: the toy kernel)."
    ),
    click.option(
        "-bios", type=FILE, default=images.FIRMWARE, help="Firmware, ELF or flat (default: our own)."
    ),
    click.option(
        "-initrd", type=FILE, help="Initial RAM disk; to the toy kernel, commands to run at its start."
    ),
    click.option("-append", default="", metavar="TEXT", help="Kernel command line."),
)

_DEVICES = (
    click.option(
        "--disk",
        "disks",
        type=disk,
        multiple=True,
        metavar="PATH[,slot=N]",
        help="A raw disk image (virtio-blk); may be given several times.",
    ),
    click.option(
        "--balloon",
        type=pages,
        default="0",
        show_default=True,
        metavar="SIZE",
        help="The host's target: size of the balloon, not of the RAM left.",
    ),
    click.option(
        "--balloon-slot",
        type=click.IntRange(0, len(board.VIRTIO_SLOTS) - 1),
        default=BALLOON_SLOT,
        show_default=True,
        help="virtio-mmio slot of the balloon.",
    ),
    click.option(
        "--balloon-features",
        type=balloon_features,
        default=",".join(sorted(DEFAULT_FEATURES)),
        show_default=True,
        metavar="LIST",
        help=f"What the balloon offers of {', '.join(sorted(ALL_FEATURES))}; also `all`, `none`, and +NAME "
        "and -NAME to change the default.",
    ),
    click.option(
        "--balloon-stats-interval",
        "balloon_stats_ns",
        type=milliseconds,
        default="0",
        metavar="MS",
        help="Ask the guest for memory statistics every MS of virtual time (default: never).",
    ),
    click.option(
        "--legacy-virtio",
        is_flag=True,
        help="Make every virtio-mmio slot version 1, the legacy interface.",
    ),
    click.option(
        "--virtio-console",
        is_flag=True,
        help="Add a virtio-console. Where there is a terminal, it is what one types at.",
    ),
    click.option(
        "--rng-seed",
        type=click.IntRange(0, SEED_MAX),
        metavar="N",
        help="Add a virtio-rng; its answers are made from N.",
    ),
    click.option(
        "--misbehave",
        type=fault,
        multiple=True,
        metavar="DEVICE:FAULT[=VALUE][@WHEN][+]",
        help="A device that commits a fault at a request or time (docs/misbehaving.md); also several times.",
    ),
    click.option(
        "--sanitize",
        type=click.Choice([mode.value for mode in Mode]),
        is_flag=False,
        flag_value=Mode.STOP.value,
        callback=lambda _context, _option, mode: mode and Mode(mode),
        help="Watch who touches a page in the balloon: stop at a finding (the default), or log it and go on.",
    ),
    click.option(
        "--monitor",
        is_flag=True,
        help="Watch which clauses of virtio 1.4 the guest's drivers keep, and say so at the end.",
    ),
)


def boot_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of what is booted to a command, which gets them as one `config: MachineConfig`."""
    return _with_config(command, _BOOT)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add all of a machine's options to a command, which gets them as one `config: MachineConfig`."""
    return _with_config(command, _BOOT + _DEVICES)


def _with_config(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    @wraps(command)
    def with_config(**given: Any) -> Any:
        parts = {field.name: given.pop(field.name) for field in fields(MachineConfig) if field.name in given}
        return command(config=MachineConfig(**parts), **given)

    for option in reversed(options):
        with_config = option(with_config)
    return with_config


def how_to_thaw(image: Path) -> str:
    """Say where a guest is that has hibernated to the platform, and how to go on with it."""
    return (
        f"thawvisor: RAM is in {image}; `thawvisor thaw {quote(str(image))}` resumes it in the same machine"
    )
