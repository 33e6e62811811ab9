"""`thawvisor dtb`: the device tree that the guest is given."""

import sys
from pathlib import Path

import click

from hv.cli.options import FILE, boot_options
from hv.config import MachineConfig, plan
from hv.errors import ConfigError, HostError


@click.group("dtb", no_args_is_help=False)
def command() -> None:
    """Show the device tree that the guest is given."""


@command.command("dump")
@boot_options
@click.option("-o", "output", type=FILE, help="File to write; standard output when not given.")
def dump(config: MachineConfig, output: Path | None) -> None:
    """Write the flattened device tree (binary; `dtc -I dtb -O dts` reads it).

    It shows all virtio-mmio slots: which of them are empty is for the guest to find out.
    """
    tree = plan(config).tree
    if output is not None:
        try:
            output.write_bytes(tree)
        except OSError as error:
            raise HostError(f"{output}: cannot be written ({error.strerror}); choose another place") from None
    elif sys.stdout.isatty():
        raise ConfigError(
            "the tree is binary: give -o FILE, or pipe it, as in `thawvisor dtb dump | dtc -I dtb -O dts`"
        )
    else:
        sys.stdout.buffer.write(tree)
