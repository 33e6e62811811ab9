"""`thawvisor conformance`: put a virtio device to the tests of the specification's clauses."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from hv.cli.options import FILE
from hv.errors import ConfigError

_F = TypeVar("_F", bound=Callable[..., None])

WIDTH = 110
"""Columns of a table."""


@click.group("conformance")
def command() -> None:
    """Put virtio devices over MMIO to tests that name the specification's clauses."""


def _selection(function: _F) -> _F:
    """Add the options that choose devices and tests."""
    for option in (
        click.option("-k", "expression", metavar="EXPR", default="", help="As pytest's -k."),
        click.option("--clause", metavar="ID", default="", help="Only tests that show it, such as C031."),
        click.option(
            "--interface",
            type=click.Choice(("modern", "legacy", "both")),
            default="both",
            show_default=True,
            help="Version 2 of virtio over MMIO, or 1.",
        ),
        click.option(
            "--device",
            type=click.Choice(("balloon", "block", "all")),
            default="all",
            show_default=True,
            help="Kind of device.",
        ),
        click.option(
            "--dut",
            metavar="ours|qemu|module:Class",
            default="ours",
            show_default=True,
            help="Device under test: this program's, QEMU's, or a class of your own.",
        ),
    ):
        function = option(function)
    return function


@command.command("run")
@_selection
@click.option("--junit", type=FILE, metavar="FILE", help="Write the outcome as JUnit XML.")
@click.option("--html", type=FILE, metavar="FILE", help="Write the outcome as a page.")
def run(
    dut: str,
    device: str,
    interface: str,
    clause: str,
    expression: str,
    junit: Path | None,
    html: Path | None,
) -> None:
    """Run the suite and say what was observed wherever a clause does not hold.

    The exit status is 0 only if nothing unexpected came out.
    """
    from hv.conformance import page, suite

    _check_places(junit, html)
    results = suite.run(suite.Selection(dut, device, interface, expression, clause), junit)
    for result in results:
        if result.outcome == suite.FAILED:
            click.echo(
                f"FAIL  {result.name}\n" + "".join(f"      {line}\n" for line in result.text.splitlines())
            )
    others = Counter(
        f"{result.outcome}: {result.difference or result.name}  {result.text}"
        for result in results
        if result.outcome in (suite.DIFFERENCE, suite.NOT_APPLICABLE)
    )
    for line, times in others.items():
        click.echo(f"{line} ({times} times)" if times > 1 else line)
    if html is not None:
        page.write_page(results, dut, html)
    click.echo(suite.sentence(results))
    sys.exit(1 if any(result.outcome == suite.FAILED for result in results) else 0)


@command.command("list")
@_selection
def list_tests(dut: str, device: str, interface: str, clause: str, expression: str) -> None:
    """List the tests with the clauses that they show."""
    from hv.conformance import suite

    for result in suite.collect(suite.Selection(dut, device, interface, expression, clause)):
        click.echo(f"{result.name}  {' '.join(result.clauses)}\n    {result.summary}")


@command.command("report")
@click.option("--junit", type=FILE, metavar="FILE", help="Write every clause as JUnit XML.")
@click.option("--html", type=FILE, metavar="FILE", help="Write every clause as a page.")
def report(junit: Path | None, html: Path | None) -> None:
    """Say which clauses are tested, watched by the monitor, or not testable here, and why.

    The exit status is 0 only if every clause is accounted for.
    """
    from rich.console import Console

    from hv.conformance import junit as xml
    from hv.conformance import page, suite
    from hv.conformance.coverage import State, coverage, tally
    from hv.conformance.report import show

    _check_places(junit, html)
    collected = suite.collect(suite.Selection())
    entries = coverage(collected)
    show(entries, collected, Console(width=WIDTH, soft_wrap=not sys.stdout.isatty()))
    if junit is not None:
        xml.write_coverage(entries, junit)
    if html is not None:
        page.write_coverage(entries, html)
    sys.exit(1 if tally(entries)[State.OPEN] else 0)


@command.command("differences")
def differences() -> None:
    """Print where known devices differ, with the clause, as a Markdown table."""
    from hv.conformance.differences import markdown

    click.echo(markdown(), nl=False)


def _check_places(*paths: Path | None) -> None:
    for path in filter(None, paths):
        if not path.parent.is_dir() or path.is_dir():
            raise ConfigError(f"{path}: not a place for a file; choose another, or make its folder first")
