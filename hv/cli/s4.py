"""`thawvisor s4`: what the eras of the balloon driver cost around a hibernation."""

import json
import sys
from pathlib import Path

import click

from hv import board
from hv.cli.options import FILE, pages, size
from hv.errors import ConfigError
from hv.files import replacing, write_all
from hv.hibernate import Carrier

RAM_MAX = board.GIB
"""Every world of the comparison keeps its disk in memory, several times over."""

WIDTH = 100
"""Columns of the table, on a terminal and in a file."""

KERNEL_PAGES = 16 * board.MIB // board.PAGE_SIZE
"""What firmware and kernel need beside the workload, its copy in the snapshot and the balloon."""


@click.group("s4")
def command() -> None:
    """Hibernation (S4) with an inflated balloon."""


@command.command("compare")
@click.option("--html", type=FILE, metavar="FILE", help="Write a page: table, timelines, memory maps.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write everything as JSON.")
@click.option("-m", "ram", type=size, default="128M", show_default=True, help="Guest RAM.")
@click.option("--touch", type=pages, default="24M", show_default=True, help="Memory the guest keeps filled.")
@click.option("--balloon", type=pages, default="40M", show_default=True, help="Size of the balloon.")
@click.option(
    "--carrier",
    type=click.Choice([c.value for c in Carrier]),
    default=Carrier.SWAP.value,
    show_default=True,
    help="Who carries the image: the guest's swap, or the platform's host image.",
)
def compare(
    html: Path | None, json_file: Path | None, ram: int, touch: int, balloon: int, carrier: str
) -> None:
    """Take every era of the driver through the same workload and print one table.

    Boot, touch, churn, inflate, hibernate, power off, resume in a fresh machine, inflate again; and a
    hibernation that fails for want of swap. Two runs print the same.
    """
    from rich.console import Console

    from hv.compare import journey, page
    from hv.compare.evidence import Plan
    from hv.compare.report import Comparison, show

    if ram > RAM_MAX:
        raise ConfigError(
            f"-m {ram // board.MIB}M: the comparison keeps its disks in memory; give at most 1G"
        )
    if not balloon:
        raise ConfigError("--balloon 0: there is nothing to compare; give the balloon a size")
    if 2 * touch + balloon + KERNEL_PAGES > ram // board.PAGE_SIZE:
        raise ConfigError(
            "--touch twice (its pages, and copies of them for the image), --balloon and 16M for the kernel"
            f" are more than the {ram // board.MIB}M that -m gives; raise -m"
        )
    for path in filter(None, (html, json_file)):
        if not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"{path}: not a place for a file; choose another, or make its folder first")
    plan = Plan(ram, touch, balloon, Carrier(carrier))
    comparison = Comparison(plan, tuple(journey.compare(plan)))
    show(comparison, Console(width=WIDTH, soft_wrap=not sys.stdout.isatty()))
    if json_file is not None:
        with replacing(json_file, "JSON") as file:
            write_all(file, memoryview(json.dumps(comparison.as_json(), indent=1).encode()))
    if html is not None:
        page.write_page(comparison, html)
