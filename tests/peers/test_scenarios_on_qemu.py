"""Scenarios of the library on QEMU, unchanged; and what becomes of those that ask for more than there is."""

import pytest

from hv.scenario import PLACES, Scenario, ScenarioError, World, matrix
from hv.scenario.registry import library
from hv.scenario.runner import play
from tests.harness.kit import find_kit
from tests.harness.qemu_process import find_qemu

pytestmark = pytest.mark.peers

SCENARIOS = library()
QUICK = ("freeze-fails", "host-forgets", "host-reballoons", "pages-asked-back", "target-changes-in-thaw")


@pytest.fixture(autouse=True)
def _qemu() -> None:
    find_qemu()


def check(scenario: Scenario, guest: str) -> None:
    """Play a scenario on QEMU; it comes to its end, and finds nothing."""
    case = next(case for case in scenario.cases(guest=guest, place="qemu") if case.era == matrix.ERA)
    outcome = play(case)
    assert outcome.passed, (
        f"{outcome.cannot}{outcome.broke}\n{outcome.journal.findings}\nreplay: {case.command}"
    )


@pytest.mark.parametrize("name", QUICK)
def test_a_scenario_on_qemu(name: str) -> None:
    """What holds of the toy kernel here holds of it on QEMU."""
    check(SCENARIOS[name], "toy")


@pytest.mark.campaign
@pytest.mark.parametrize("name", [*QUICK, "no-swap", "twice-in-a-row"])
def test_a_scenario_with_linux_on_qemu(name: str) -> None:
    """What holds of Linux here holds of it on QEMU."""
    find_kit()
    check(SCENARIOS[name], "linux")


def test_qemus_own_account_is_the_guests() -> None:
    """What QEMU's trace and memory say of the pages is what the guest says, also when pages come back."""
    with World("e3", place=PLACES["qemu"]) as world:
        run = world.boot()
        for target in (3000, 1000, 2500):
            run.set_target(target)
            run.until_target()
            entry = run.balance(f"target {target}")
            assert (entry.host.ballooned, entry.host.backed, entry.guest.offline) == (target, 0, target)
        counters = run.balloon.counters
        assert (counters.inflated_pages, counters.deflated_pages) == (4500, 2000)
        assert run.balloon_queues() == 3
    assert world.journal.findings == []


@pytest.mark.parametrize(
    ("name", "what"), [("silent-balloon", "a device that misbehaves"), ("statistics", "stats_received")]
)
def test_what_qemu_does_not_tell_is_said(name: str, what: str) -> None:
    """A scenario that asks for what is not to be had ends there; it has neither passed nor failed."""
    outcome = play(next(SCENARIOS[name].cases(place="qemu")))
    assert what in outcome.cannot
    assert not outcome.passed
    assert not outcome.failed


def test_a_dead_guest_breaks_off() -> None:
    """A guest that reports a failure ends QEMU, and the scenario with its last words."""
    with World("e3", place=PLACES["qemu"]) as world:
        run = world.boot()
        run.type("crash")
        with pytest.raises(ScenarioError, match="GUEST_FAULT"):
            run.until_off()
