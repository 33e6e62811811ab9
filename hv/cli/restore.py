"""`thawvisor restore`: a machine that goes on from a snapshot."""

from dataclasses import replace
from pathlib import Path

import click

from hv.backtrace import backtrace, describe_frame
from hv.cli.options import FILE, QMP
from hv.cli.session import session
from hv.config import check_place, moved
from hv.machine import Machine
from hv.modules import symbols_of
from hv.qmp.address import Address
from hv.snapshot.reader import open_snapshot
from hv.snapshot.restore import restore


@click.command("restore")
@click.argument("file", type=FILE)
@click.option("--resume", is_flag=True, help="Run on, with its console on this terminal; Ctrl-A X leaves.")
@click.option("-kernel", type=FILE, help="Where the kernel is now.")
@click.option("-bios", type=FILE, help="Where the firmware is now.")
@click.option("-initrd", type=FILE, help="Where the initial RAM disk is now.")
@click.option(
    "--disk", "disks", type=FILE, multiple=True, help="Where the disks are now, all of them, in their order."
)
@click.option(
    "--host-image", type=FILE, help="Where the guest is kept when it hibernates (default: FILE with .s4)."
)
@QMP
def command(
    file: Path,
    resume: bool,
    kernel: Path | None,
    bios: Path | None,
    initrd: Path | None,
    disks: tuple[Path, ...],
    host_image: Path | None,
    qmp: tuple[Address, ...],
) -> None:
    """Make the machine in the snapshot FILE again, with its disks as they were.

    Without --resume it stays paused: the command says where it stands, and that all of it is right, and ends.
    """
    with open_snapshot(file) as snapshot:
        then = snapshot.config
        config = replace(
            then,
            kernel=kernel or then.kernel,
            bios=bios or then.bios,
            initrd=initrd or then.initrd,
            disks=moved(then.disks, disks),
        )
        host_image = host_image or file.with_name(f"{file.name}.s4")
        if resume and config.platform_sleep:
            check_place(host_image, config, "host image")
        machine = restore(snapshot, config)
    if resume:
        session(machine, host_image, qmp)
        return
    with machine:
        click.echo(f"paused at {machine.now_ns / 1e6:.6f} ms of virtual time; --resume goes on")
        _show_place(machine)


def _show_place(machine: Machine) -> None:
    symbols = symbols_of((machine.config.bios, machine.config.kernel), machine.hart, machine.memory)
    for frame in backtrace(machine.hart, machine.memory, symbols):
        click.echo(f" {describe_frame(symbols, frame)}")
    if machine.balloon is not None:
        balloon = machine.balloon
        held = int(balloon.ballooned.sum())
        click.echo(f"balloon: target {balloon.target_pages} pages, {held} in it")
