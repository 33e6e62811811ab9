"""The library of scenarios, each era and carrier a test; and that its promises are quoted word for word."""

from pathlib import Path

import pytest

from hv.scenario import ERAS
from hv.scenario.registry import Case, library
from hv.scenario.runner import play
from tests.harness.kit import find_kit

PROMISES = [f"P{n}" for n in range(1, 10)]
SEED = Path(__file__).with_name("e562966dba.txt")
"""The message of the Linux commit that the promises come from."""


RARE = ("e1", "e3")
"""Eras that are nearly e4: campaigns have them."""

RIGHT = [era.name for era in ERAS.values() if not era.leaks and not era.deaf]
"""Eras that use no page that they gave away."""


def _cases() -> list[object]:
    return [
        pytest.param(
            case,
            id=case.id,
            marks=[pytest.mark.campaign] if scenario.campaign or case.era in RARE else [],
        )
        for scenario in library().values()
        for case in scenario.cases()
    ]


@pytest.mark.parametrize("case", _cases())
def test_scenario(case: Case) -> None:
    """The scenario comes to its end and finds nothing."""
    outcome = play(case)
    assert outcome.passed, f"{outcome.broke}\n{outcome.journal.findings}\nreplay: {case.command}"


@pytest.mark.campaign
@pytest.mark.parametrize(
    "case",
    [case for scenario in library().values() for case in scenario.cases(guest="linux")],
    ids=lambda case: case.id,
)
def test_scenario_on_linux(case: Case) -> None:
    """The scenario comes to its end on Debian's kernel, and finds nothing."""
    find_kit()
    outcome = play(case)
    assert outcome.passed, f"{outcome.broke}\n{outcome.journal.findings}\nreplay: {case.command}"


@pytest.mark.campaign
@pytest.mark.parametrize(
    "name",
    [name for name, scenario in library().items() if "toy" in scenario.guests and not scenario.campaign],
)
def test_eras_that_are_right_are_silent_under_the_sanitizer(name: str) -> None:
    """No access to a ballooned page, and none to contents that are gone, whatever befalls the guest."""
    for case in library()[name].cases():
        if case.era in RIGHT:
            outcome = play(case._replace(sanitize=True))
            assert outcome.passed, (
                f"{outcome.broke}\n{outcome.journal.findings}\nreplay: {outcome.case.command}"
            )


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_is_shown_and_quoted(promise: str) -> None:
    """A scenario shows the promise, and its docstring quotes it as the seed's message has it."""
    message = " ".join(SEED.read_text().split())
    shown = [scenario for scenario in library().values() if scenario.promise == promise]
    assert shown
    for scenario in shown:
        lines = (line.strip() for line in (scenario.play.__doc__ or "").splitlines())
        quote = " ".join(line.removeprefix(">").strip() for line in lines if line.startswith(">"))
        assert quote
        assert " ".join(quote.split()) in message
