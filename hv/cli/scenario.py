"""`thawvisor scenario`: list the scenarios, run them, say what each found and how to see it again."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import click

from hv.errors import ConfigError
from hv.hibernate import Carrier
from hv.monitor import WATCHED, Verdicts, totals
from hv.scenario import ERAS, Case, Scenario, matrix
from hv.scenario.guests import GUESTS
from hv.scenario.places import PLACES
from hv.scenario.registry import library, load
from hv.scenario.runner import Outcome, play_all

_WIDE = 240
"""Columns of a list that goes to no terminal: a line a scenario."""


@click.group("scenario")
def command() -> None:
    """Run what can befall a guest and its balloon around hibernation."""


@command.command("list")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def list_scenarios(files: tuple[Path, ...]) -> None:
    """List the library's scenarios, or those in FILES."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("scenario", "promise", "eras", "carriers", "guests"):
        table.add_column(title, no_wrap=True)
    table.add_column("what it shows")
    for scenario in [each for file in files for each in load(file).values()] or library().values():
        table.add_row(
            scenario.name,
            scenario.promise,
            "all" if set(scenario.eras) == set(ERAS) else " ".join(scenario.eras),
            " ".join(carrier.value for carrier in scenario.carriers),
            " ".join(scenario.guests),
            scenario.summary + (" [campaign]" if scenario.campaign else ""),
        )
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table, highlight=False, markup=False)


@command.command("run")
@click.argument("names", metavar="[NAME | FILE.py | FILE.py:NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="The whole library, but for its campaigns.")
@click.option("--campaign", is_flag=True, help="With --all: the campaigns too.")
@click.option("--era", type=click.Choice(tuple(ERAS)), help="One policy of the driver only.")
@click.option("--carrier", type=click.Choice([c.value for c in Carrier]), help="One carrier only.")
@click.option("--guest", type=click.Choice(tuple(GUESTS)), default="toy", show_default=True, help="Kernel.")
@click.option(
    "--on", "place", type=click.Choice(tuple(PLACES)), default="here", show_default=True, help="Machine."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the world's chance.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An option of the scenario.")
@click.option("--sanitize", is_flag=True, help="What the balloon sanitizer finds is a finding.")
@click.option("--monitor", is_flag=True, help="A clause of virtio 1.4 that the drivers break is a finding.")
@click.option("-n", "--jobs", type=click.IntRange(1), default=os.cpu_count(), help="Processes at a time.")
@click.option("--log", is_flag=True, help="Show every step, with virtual time in ms.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def run(
    names: tuple[str, ...],
    everything: bool,
    campaign: bool,
    era: str | None,
    carrier: str | None,
    guest: str,
    place: str,
    seed: int,
    settings: tuple[str, ...],
    sanitize: bool,
    monitor: bool,
    jobs: int,
    log: bool,
    as_json: bool,
) -> None:
    """Run scenarios of the library by name, or those in a file of your own.

    The exit status is 0 only if none failed: nothing found, nothing broken off. On QEMU a scenario that asks
    for what QEMU does not tell or do ends there, and cannot say more.
    """
    chosen = {name: value for name, _, value in (text.partition("=") for text in settings)}
    GUESTS[guest].require()
    PLACES[place].require()
    scenarios = [scenario for name in names for scenario in _named(name)]
    if everything:
        scenarios += [scenario for scenario in library().values() if campaign or not scenario.campaign]
    cases = [
        case._replace(sanitize=sanitize, monitor=monitor)
        for scenario in scenarios
        for case in scenario.cases(seed, chosen, guest, place)
        if era in (None, case.era) and carrier in (None, case.carrier.value)
    ]
    if not cases:
        raise ConfigError(
            "nothing to run: name a scenario that holds for this guest, place, era and carrier, or give --all"
        )
    outcomes = []
    for outcome in play_all(cases, jobs):
        outcomes.append(outcome)
        if not as_json:
            click.echo("\n".join(_lines(outcome, log)))
    passed, failed = (sum(each) for each in zip(*((o.passed, o.failed) for o in outcomes), strict=True))
    if as_json:
        click.echo(json.dumps([outcome.as_json() for outcome in outcomes], indent=1))
    else:
        if monitor:
            click.echo("\n".join(_clauses(outcomes)))
        cannot = len(outcomes) - passed - failed
        click.echo(f"{passed} passed, {failed} failed" + (f", {cannot} cannot" if cannot else ""))
    sys.exit(1 if failed else 0)


@command.command("matrix")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("-n", "--jobs", type=click.IntRange(1), default=os.cpu_count(), help="Processes at a time.")
def show_matrix(names: tuple[str, ...], jobs: int) -> None:
    """Play the library, or some of it, with each guest, here and on QEMU, and print a table in Markdown.

    The exit status is 0 only if none failed here.
    """
    for guest in GUESTS.values():
        guest.require()
    for place in PLACES.values():
        place.require()
    scenarios = [scenario for name in names for scenario in _named(name)]
    scenarios = scenarios or [scenario for scenario in library().values() if not scenario.campaign]
    outcomes = []
    for outcome in play_all(list(matrix.cases(scenarios)), jobs):
        click.echo(f"{_word(outcome):6}  {outcome.case.id}", err=True)
        outcomes.append(outcome)
    click.echo("\n".join(matrix.table(scenarios, outcomes)))
    sys.exit(1 if any(outcome.failed and outcome.case.place == "here" for outcome in outcomes) else 0)


def _named(name: str) -> Iterable[Scenario]:
    """Return the scenarios that an argument means."""
    file, colon, inside = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    found = load(Path(file)) if file else library()
    if file and not colon:
        return found.values()
    wanted = inside if colon else name
    if wanted not in found:
        raise ConfigError(f"no scenario {name!r}: `thawvisor scenario list` shows the library")
    return [found[wanted]]


def _lines(outcome: Outcome, log: bool) -> Iterable[str]:
    case, journal = outcome.case, outcome.journal
    if log:
        for event in journal.events:
            yield f"machine {event.run} {event.ns / 1e6:12.6f}  {event.side:8}  {event.text}"
    figures = " ".join(f"{name}={value}" for name, value in journal.figures.items())
    yield f"{_word(outcome):4}  {_id(case):40} {figures}".rstrip()
    for finding in journal.findings:
        yield f"      machine {finding.run} at {finding.ns / 1e6:.6f} ms: {finding.text}"
    for line in outcome.broke.splitlines():
        yield f"      {line}"
    if outcome.cannot:
        yield f"      there is no such thing on {case.place}: {outcome.cannot}"
    if outcome.failed:
        yield f"      replay: {case.command}"


def _word(outcome: Outcome) -> str:
    return "pass" if outcome.passed else "FAIL" if outcome.failed else "cannot"


def _id(case: Case) -> str:
    return f"{case.name} {case.era} {case.carrier.value}"


def _clauses(outcomes: Iterable[Outcome]) -> Iterable[str]:
    """Sum up over all scenarios what became of the clauses for drivers."""
    together, breaking = Verdicts(), defaultdict[tuple[str, str, str], list[int]](list)
    for outcome in outcomes:
        together.add(outcome.verdicts)
        for breach in outcome.verdicts.breaches:
            breaking[outcome.case.guest, outcome.case.era, breach.clause].append(breach.count)
    for (guest, era, clause), counts in sorted(breaking.items()):
        why = {**GUESTS[guest].breaks, **ERAS[era].breaks}.get(clause)
        known = f"known: {why}" if why else WATCHED[clause]
        yield f"broken  {clause} by {guest} {era}, {sum(counts)} times: {known}"
    idle = sorted(WATCHED.keys() - together.exercised)
    yield f"not exercised: {' '.join(idle)}" if idle else "every clause was exercised"
    yield totals(together)
