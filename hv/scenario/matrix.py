"""Which scenario holds where: each guest, here and on QEMU, as a table of what came of really playing it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hv.hibernate import Carrier
from hv.scenario.guests import GUESTS
from hv.scenario.linux import LinuxGuest
from hv.scenario.places import PLACES
from hv.scenario.registry import Case, Scenario
from hv.scenario.runner import Outcome

ERA = LinuxGuest.eras[0]
"""The driver that the guests have in common."""


class Column(NamedTuple):
    """A guest in a place, of GUESTS and PLACES."""

    guest: str
    place: str

    def __str__(self) -> str:
        return f"{self.guest}, {PLACES[self.place].name}"


COLUMNS = tuple(Column(guest, place) for place in PLACES for guest in GUESTS)


def cases(scenarios: Iterable[Scenario]) -> Iterator[Case]:
    """Yield the case of each scenario for each column that it has one for: of ERA and the swap, if it may."""
    for scenario in scenarios:
        for column in COLUMNS:
            found = list(scenario.cases(guest=column.guest, place=column.place))
            if found:
                yield min(found, key=lambda case: (case.era != ERA, case.carrier is not Carrier.SWAP))


def table(scenarios: Iterable[Scenario], outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the lines of the table in Markdown; a dash where a scenario is not for a guest.

    Args:
        scenarios: its rows.
        outcomes: of their `cases`.
    """
    cells = {
        (outcome.case.name, Column(outcome.case.guest, outcome.case.place)): outcome for outcome in outcomes
    }
    yield f"| scenario | {' | '.join(map(str, COLUMNS))} |"
    yield "|---" * (1 + len(COLUMNS)) + "|"
    for scenario in scenarios:
        row = (_cell(scenario, column, cells) for column in COLUMNS)
        yield f"| `{scenario.name}` | {' | '.join(row)} |"


def _cell(scenario: Scenario, column: Column, cells: Mapping[tuple[str, Column], Outcome]) -> str:
    if column.guest not in scenario.guests:
        return "–"
    outcome = cells.get((scenario.name, column))
    if outcome is None:
        return f"cannot: {_missing(scenario, column)}"
    if outcome.passed:
        return "passed"
    if outcome.failed:
        findings = outcome.journal.findings
        return f"**failed**: {findings[0].text if findings else outcome.broke.splitlines()[0]}"
    return f"cannot: {outcome.cannot}"


def _missing(scenario: Scenario, column: Column) -> str:
    """Say why there is no case."""
    guest = GUESTS[column.guest]
    if not set(scenario.eras) & set(guest.eras):
        return f"for the drivers {', '.join(scenario.eras)}"
    carriers = ", ".join(carrier.value for carrier in scenario.carriers)
    return f"an image that the {carriers} carries"
