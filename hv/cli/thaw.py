"""`thawvisor thaw`: resume a guest from a host image, with its console on this terminal."""

from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from hv.cli.options import FILE, QMP, machine_options
from hv.cli.session import session
from hv.config import MachineConfig, check_place
from hv.hibernate import thaw
from hv.hostimage.reader import open_image
from hv.qmp.address import Address


@click.command("thaw")
@click.argument("image", type=FILE)
@machine_options
@click.option(
    "--host-image", type=FILE, help="Where the guest is kept when it hibernates again (default: IMAGE)."
)
@QMP
@click.pass_context
def command(
    ctx: click.Context,
    image: Path,
    config: MachineConfig,
    host_image: Path | None,
    qmp: tuple[Address, ...],
) -> None:
    """Resume the guest in the host image IMAGE on a machine with fresh devices; Ctrl-A X leaves.

    The options must describe the machine that went to sleep: the same firmware and kernel, the same disks in
    the same slots; -m may be left out. The balloon's target is the host's choice, and -initrd and -append are
    for the next reboot.
    """
    with open_image(image) as opened:
        ram = opened.header.machine.ram_size
    if ctx.get_parameter_source("ram") is ParameterSource.DEFAULT:
        config = replace(config, ram=ram)
    check_place(host_image or image, config)
    session(thaw(image, config), host_image or image, qmp)
