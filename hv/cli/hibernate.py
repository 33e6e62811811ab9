"""`thawvisor hibernate`: boot a guest and hibernate it into a host image, without a hand on the console."""

import sys
from pathlib import Path

import click

from hv.cli.options import FILE, machine_options
from hv.errors import ConfigError
from hv.hibernate import write_host_image
from hv.machine import Machine, MachineConfig, Stop, StopReason
from hv.report import describe
from hv.shell import GuestShell


@click.command("hibernate")
@click.argument("image", type=FILE)
@machine_options
@click.option(
    "--type", "lines", multiple=True, help="A shell command to type first; may be given several times."
)
def command(image: Path, config: MachineConfig, lines: tuple[str, ...]) -> None:
    """Boot the toy kernel, type the given commands, hibernate it into the host image IMAGE."""
    if not image.parent.is_dir():
        raise ConfigError(f"{image}: {image.parent} is not a folder")
    with Machine(config) as machine:
        shell = GuestShell(machine)
        machine.console.sink = _show
        _expect(machine, shell.wait_for_prompt(), StopReason.CONDITION)
        for line in lines:
            reply = shell.command(line)
            _expect(machine, reply.stop, StopReason.CONDITION)
            if reply.status:
                raise ConfigError(f"the guest's `{line}` failed: {reply.error}")
        _expect(machine, shell.command("hibernate platform").stop, StopReason.HIBERNATE)
        written = write_host_image(machine, image)
    click.echo(f"\n{image}: {written.pages_saved} pages saved; `thawvisor thaw {image}` resumes the guest")


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _expect(machine: Machine, stop: Stop, reason: StopReason) -> None:
    """Leave with the machine's report and status 1 unless it stopped for `reason`."""
    if stop.reason is not reason:
        click.echo("\n" + describe(machine, stop), err=True)
        sys.exit(1)
