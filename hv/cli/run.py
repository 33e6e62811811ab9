"""`thawvisor run`: boot a guest with its console on this terminal."""

from dataclasses import replace
from pathlib import Path

import click

from hv.cli.options import FILE, QMP, machine_options
from hv.cli.session import session
from hv.config import MachineConfig, check_place
from hv.machine import Machine
from hv.qmp.address import Address
from hv.replay import record


@click.command("run")
@machine_options
@click.option(
    "--host-image",
    type=FILE,
    help="Where a guest that hibernates to the platform is kept; without it, it cannot hibernate there.",
)
@QMP
@click.option(
    "--record",
    "recording",
    type=FILE,
    help="Write down there what is typed and commanded, and when: `thawvisor replay` does it again.",
)
def command(
    config: MachineConfig, host_image: Path | None, qmp: tuple[Address, ...], recording: Path | None
) -> None:
    """Boot a guest with its console on this terminal; Ctrl-A X leaves.

    The exit status is 0 after a power-off, the guest's own when it reports a failure, 1 when it died
    otherwise (both with registers and a backtrace on stderr), 2 for a usage error.
    """
    if host_image is not None:
        check_place(host_image, config)
    machine = Machine(replace(config, platform_sleep=host_image is not None))
    if recording is not None:
        check_place(recording, config, "recording")
    recorder = None if recording is None else record(recording, machine)
    session(machine, host_image, qmp, recorder)
