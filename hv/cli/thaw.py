"""`thawvisor thaw`: resume a guest from a host image, with its console on this terminal."""

from dataclasses import replace
from pathlib import Path

import click

from hv.cli.options import FILE, machine_options
from hv.cli.run import finish
from hv.cli.terminal import attach
from hv.hibernate import thaw
from hv.hostimage.reader import open_image
from hv.machine import MachineConfig


@click.command("thaw")
@click.argument("image", type=FILE)
@machine_options
@click.option("--host-image", type=FILE, help="Where the guest is kept when it hibernates again.")
def command(image: Path, config: MachineConfig, host_image: Path | None) -> None:
    """Resume the guest in the host image IMAGE on a machine with fresh devices; Ctrl-A X leaves.

    RAM has the size it had; the other options must describe the machine that went to sleep: the same
    firmware and kernel, the same disks in the same slots. The balloon's target is the host's choice.
    """
    with open_image(image) as opened:
        ram = opened.header.machine.ram_size
    with thaw(image, replace(config, ram=ram)) as machine:
        finish(machine, attach(machine), host_image)
