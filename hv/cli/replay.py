"""`thawvisor replay`: a recorded run, done again."""

from pathlib import Path

import click

from hv.cli.options import FILE
from hv.cli.session import tell_findings
from hv.cli.terminal import Screen
from hv.replay import Recording, replay
from hv.report import describe
from hv.vm import Vm


@click.command("replay")
@click.argument("recording", type=FILE)
@click.option(
    "--disk",
    "disks",
    type=FILE,
    multiple=True,
    help="Where the disks are, as they were when the recording began: all of them, in their order.",
)
def command(recording: Path, disks: tuple[Path, ...]) -> None:
    """Do the run in RECORDING again, as fast as it goes: its console, and how it ended.

    The disks are not written to. The exit status is 1 when the run came to another end than the recorded one,
    or the recording has none.
    """
    read = Recording(recording, disks)
    with Screen() as screen, Vm(read.machine(), console=screen.write) as vm:
        same = replay(vm, read.entries)
        screen.flush()
        if vm.ending is not None and vm.ending.stop is not None:
            click.echo(f"\nthawvisor: {describe(vm.machine, vm.ending.stop)}", err=True)
        tell_findings(vm.machine)
        ns = vm.machine.now_ns
    if not same:
        raise click.ClickException(f"not the recorded end: this run stands at {ns} ns of virtual time")
    click.echo(f"\nthawvisor: the same end as recorded, at {ns} ns of virtual time, RAM and all", err=True)
