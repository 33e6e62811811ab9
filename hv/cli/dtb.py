"""`thawvisor dtb`: the device tree that the guest is given."""

import sys
from pathlib import Path

import click

from hv.cli.options import FILE, machine_options
from hv.errors import ConfigError
from hv.machine import MachineConfig


@click.group("dtb")
def command() -> None:
    """Show the device tree that the guest is given."""


@command.command("dump")
@machine_options
@click.option("-o", "output", type=FILE, help="File to write; standard output when not given.")
def dump(config: MachineConfig, output: Path | None) -> None:
    """Write the device tree of a machine with these options (binary; `dtc -I dtb -O dts` reads it)."""
    from hv.machine import plan

    tree = plan(config).tree
    if output is not None:
        output.write_bytes(tree)
    elif sys.stdout.isatty():
        raise ConfigError(
            "the tree is binary: give -o FILE, or pipe it, as in `thawvisor dtb dump | dtc -I dtb -O dts`"
        )
    else:
        sys.stdout.buffer.write(tree)
