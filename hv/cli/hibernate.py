"""`thawvisor hibernate`: boot a guest and hibernate it into a host image, without a hand on the console."""

from pathlib import Path

import click

from hv.cli.options import FILE, how_to_thaw, machine_options
from hv.cli.terminal import Screen
from hv.config import MachineConfig, check_place
from hv.hibernate import write_host_image
from hv.machine import Machine
from hv.report import describe
from hv.shell import GuestShell
from hv.stop import Stop, StopReason


@click.command("hibernate")
@click.argument("image", type=FILE)
@machine_options
@click.option(
    "--type", "lines", multiple=True, help="A shell command to type first; may be given several times."
)
def command(image: Path, config: MachineConfig, lines: tuple[str, ...]) -> None:
    """Boot the toy kernel, type the given commands, hibernate it into the host image IMAGE.

    The exit status is 1, and there is no image, when a command fails or the guest does not sleep.
    """
    check_place(image, config)
    with Machine(config) as machine, Screen() as screen:
        machine.console.sink = screen.write
        shell = GuestShell(machine)
        _expect(machine, shell.wait_for_prompt(), StopReason.CONDITION)
        for line in lines:
            _type(shell, line, StopReason.CONDITION)
        _type(shell, "hibernate platform", StopReason.HIBERNATE)
        write_host_image(machine, image)
    click.echo(how_to_thaw(image), err=True)


def _type(shell: GuestShell, line: str, reason: StopReason) -> None:
    """Type a command after which the machine stops for `reason`; end with status 1 if it does not."""
    reply = shell.command(line)
    if reply.stop.reason is StopReason.CONDITION and reply.status:
        raise click.ClickException(f"the guest's `{line}` failed: {reply.error}")
    _expect(shell.machine, reply.stop, reason)


def _expect(machine: Machine, stop: Stop, reason: StopReason) -> None:
    """End with the machine's report unless it stopped for `reason`."""
    if stop.reason is not reason:
        raise click.ClickException(describe(machine, stop))
