"""`thawvisor demo`: the main job, told as a story."""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from hv import board
from hv.cli.options import FILE, size
from hv.config import Disk, MachineConfig
from hv.demo.plan import Moment, Plan
from hv.errors import ConfigError, HostError
from hv.hibernate import Carrier
from hv.sanitizer import Mode
from hv.scenario.eras import ERAS

DISK_MARGIN = 16 * board.MIB
"""The swap disk is RAM and this much, so that an image always fits."""


@click.command("demo")
@click.option(
    "--image",
    "carrier",
    type=click.Choice([c.value for c in Carrier]),
    default=Carrier.SWAP.value,
    show_default=True,
    help="Who carries the image: the guest's swap, or the platform's host image.",
)
@click.option("-m", "ram", type=size, default="128M", show_default=True, help="Guest RAM.")
@click.option(
    "--touch", type=size, default="32M", show_default=True, help="Memory the guest fills and verifies."
)
@click.option("--balloon", type=size, default="48M", show_default=True, help="Size of the balloon.")
@click.option(
    "--policy",
    type=click.Choice(tuple(ERAS)),
    default="e4",
    show_default=True,
    help="How the driver hibernates: e4 as Linux's does now, e0 as at first (2012), whose leak is found.",
)
@click.option("--sanitize", is_flag=True, help="Watch who touches a page in the balloon; a finding ends it.")
@click.option("--keep", type=FILE, help="Keep the disk or host image in this folder.")
def command(
    carrier: str, ram: int, touch: int, balloon: int, policy: str, sanitize: bool, keep: Path | None
) -> None:
    """Boot, touch memory, inflate, hibernate, end the process; resume in a new one, check both sides' books.

    The exit status is 0 only if the memory is intact and the books balance.
    """
    from rich.console import Console

    from hv.demo import story

    if keep is not None and not keep.is_dir():
        raise ConfigError(f"--keep {keep}: not a folder; make it first")
    if touch + balloon > ram:
        wanted, there = (touch + balloon) // board.MIB, ram // board.MIB
        raise ConfigError(
            f"--touch and --balloon are {wanted} MiB of the {there} MiB that -m gives; raise -m"
        )
    out = Console(soft_wrap=not sys.stdout.isatty())
    with tempfile.TemporaryDirectory(prefix="thawvisor-demo-") as scratch:
        plan = _plan(Carrier(carrier), ram, touch, balloon, policy, keep or Path(scratch))
        if sanitize:
            plan = replace(plan, config=replace(plan.config, sanitize=Mode.STOP))
        out.print("Timeline (ms of each machine's virtual time)", style="italic")
        ledger = story.tell(plan, lambda moment: out.print(_line(moment), highlight=False, markup=False))
    out.print()
    story.show_books(ledger, out)
    out.print()
    sys.exit(0 if story.show_verdict(ledger, out) else 1)


def _plan(carrier: Carrier, ram: int, touch: int, balloon: int, policy: str, folder: Path) -> Plan:
    disks: tuple[Disk, ...] = ()
    if carrier is Carrier.SWAP:
        disk = folder / "swap.img"
        try:
            with disk.open("wb") as file:
                file.truncate(ram + DISK_MARGIN)
        except OSError as error:
            raise HostError(f"disk {disk}: cannot be made ({error.strerror}); --keep it elsewhere") from None
        disks = (Disk(disk),)
    config = MachineConfig(ram=ram, disks=disks, append=f"balloon.policy={policy}")
    return Plan(
        config=config,
        carrier=carrier,
        touch=touch // board.PAGE_SIZE,
        target=balloon // board.PAGE_SIZE,
        image=folder / "guest.s4",
    )


def _line(moment: Moment) -> str:
    return f"machine {moment.machine} {moment.ns / 1e6:10.3f}  {moment.side:5}  {moment.text}"
