"""`thawvisor run`: boot a guest with its console on this terminal."""

import sys
from pathlib import Path

import click

from hv.cli.options import FILE, machine_options
from hv.cli.terminal import attach
from hv.hibernate import write_host_image
from hv.machine import Machine, MachineConfig, Stop, StopReason
from hv.report import describe


@click.command("run")
@machine_options
@click.option("--host-image", type=FILE, help="Where a guest that hibernates to the platform is kept.")
def command(config: MachineConfig, host_image: Path | None) -> None:
    """Boot a guest with its console on this terminal; Ctrl-A X leaves.

    The exit status is 0 after a power-off, 1 when the guest died (with registers and a backtrace on stderr),
    2 for a usage error.
    """
    while True:
        with Machine(config) as machine:
            stop = attach(machine)
            if stop is None or stop.reason is not StopReason.RESET:
                finish(machine, stop, host_image)
                return


def finish(machine: Machine, stop: Stop | None, host_image: Path | None) -> None:
    """Say how a console session ended, keep the host image if asked for, and set the exit status."""
    if stop is None:
        return
    if stop.reason is StopReason.HIBERNATE:
        if host_image is None:
            click.echo(
                "thawvisor: the guest hibernated to the platform, and --host-image FILE was not given",
                err=True,
            )
            sys.exit(2)
        write_host_image(machine, host_image)
        click.echo(f"thawvisor: RAM is in {host_image}; `thawvisor thaw {host_image}` resumes it", err=True)
    if stop.reason is StopReason.GUEST_FAULT:
        click.echo(describe(machine, stop), err=True)
        sys.exit(1)
