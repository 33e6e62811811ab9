"""The conformance suite finds every bug that we put into our devices, and says which clause it breaks."""

import re
import subprocess
import sys

import pytest

from hv.conformance import register
from tests.mutants import MUTANTS
from tests.mutants.mutant import ROOT

EXAMPLES = ("served-early", "descriptor-marked", "actual-byte-by-byte")
"""One bug each of transport, ring and device, which the default suite looks for as well."""

TABLE = (ROOT / "docs/mutants.md").read_text()


def test_every_bug_has_a_place_and_a_clause() -> None:
    """The text that each mutant changes is there exactly once, and it breaks a clause about devices."""
    for mutant in MUTANTS.values():
        mutant.code()
        assert register.clauses()[mutant.clause].role == "device", mutant


def test_every_clause_that_a_device_can_break_is_broken() -> None:
    """Each clause about devices that says more than MAY, and can be tested, has a mutant."""
    broken = {mutant.clause for mutant in MUTANTS.values()}
    breakable = [
        clause.id
        for clause in register.clauses().values()
        if clause.role == "device" and clause.level != "MAY" and clause.id not in register.untestable()
    ]
    assert [each for each in breakable if each not in broken] == []


def test_the_documentation_has_every_mutant() -> None:
    """docs/mutants.md lists the mutants in their order, each with a test that finds it."""
    rows = re.findall(r"^\| (C\d+) \| (\S+) \| .+ \| `test_\w+`", TABLE, re.MULTILINE)
    assert rows == [(mutant.clause, mutant.name) for mutant in MUTANTS.values()]


@pytest.mark.parametrize(
    "names", [EXAMPLES, pytest.param(tuple(MUTANTS), marks=pytest.mark.campaign)], ids=["some", "all"]
)
def test_the_suite_finds_the_bugs(names: tuple[str, ...]) -> None:
    """A test that is marked with the clause fails: the same ones that the documentation names."""
    hunt = subprocess.run(
        [sys.executable, "-m", "tests.mutants", *names],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows = hunt.stdout.splitlines()
    assert len(rows) == len(names)
    assert [row for row in rows if row not in TABLE] == []
