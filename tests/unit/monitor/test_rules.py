"""Every rule of the monitor: a driver that breaks its clause is named, one that keeps it is not."""

import re
from pathlib import Path

import pytest

from hv.conformance import register
from hv.monitor import NOT_WATCHED, WATCHED
from tests.unit.monitor import (  # noqa: F401  (they enter their drivers)
    balloon_drivers,
    free_page_drivers,
    legacy_drivers,
    queue_drivers,
    register_drivers,
    ring_drivers,
    start_drivers,
)
from tests.unit.monitor.bench import RIGHT, WRONG, Case

_DRIVERS = {clause.id: clause for clause in register.clauses().values() if clause.role == "driver"}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_wrong_driver_is_told_exactly_what_it_breaks(case: Case) -> None:
    """The clauses that it breaks, and no others."""
    bench = case.make()
    case.play(bench)
    found = {breach.clause: breach.headline() for breach in bench.verdicts.breaches}
    assert found.keys() == case.clauses, found


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_a_right_driver_breaks_nothing(case: Case) -> None:
    """And what it does counts as kept."""
    bench = case.make()
    case.play(bench)
    assert not bench.verdicts.breaches, [breach.headline() for breach in bench.verdicts.breaches]
    assert case.clauses <= bench.verdicts.exercised, case.clauses - bench.verdicts.exercised


def test_every_driver_clause_is_watched_or_has_a_reason() -> None:
    """The two tables divide the driver clauses of the register between them."""
    assert not WATCHED.keys() & NOT_WATCHED.keys()
    assert WATCHED.keys() | NOT_WATCHED.keys() == _DRIVERS.keys()
    assert len(WATCHED) >= 150


def test_the_documentation_has_both_tables() -> None:
    """docs/monitor.md says of each clause what the program says."""
    text = Path("docs/monitor.md").read_text()
    rows = dict(re.findall(r"(?m)^\| (C\d{3}) \| (.*) \|$", text))
    assert rows == {**WATCHED, **NOT_WATCHED}
    assert f"The {len(WATCHED)} clauses" in text


def test_every_rule_is_shown_both_ways() -> None:
    """A driver that keeps each clause, and one that breaks it where the clause forbids or demands."""
    kept = frozenset[str]().union(*(case.clauses for case in RIGHT))
    broken = frozenset[str]().union(*(case.clauses for case in WRONG))
    strict = {clause for clause in WATCHED if _DRIVERS[clause].level != "MAY"}
    assert WATCHED.keys() - kept == set()
    assert strict - broken == set()
