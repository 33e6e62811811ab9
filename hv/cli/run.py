"""`thawvisor run`: boot a guest with its console on this terminal."""

from dataclasses import replace
from pathlib import Path

import click

from hv.cli.options import FILE, check_place, machine_options
from hv.cli.session import session
from hv.config import MachineConfig
from hv.machine import Machine


@click.command("run")
@machine_options
@click.option(
    "--host-image",
    type=FILE,
    help="Where a guest that hibernates to the platform is kept; without it, it cannot hibernate there.",
)
def command(config: MachineConfig, host_image: Path | None) -> None:
    """Boot a guest with its console on this terminal; Ctrl-A X leaves.

    The exit status is 0 after a power-off, the guest's own when it reports a failure, 1 when it died
    otherwise (both with registers and a backtrace on stderr), 2 for a usage error.
    """
    if host_image is not None:
        check_place(host_image, config)
    session(Machine(replace(config, platform_sleep=host_image is not None)), host_image)
