"""The sweep over power cuts finds what it is there to find."""

from dataclasses import replace

import pytest

from hv.errors import ConfigError
from hv.scenario import ERAS, World
from hv.scenario.library.power_cut import sweep
from hv.scenario.nextboot import Verdict
from hv.scenario.night import Night, record
from hv.scenario.recording import Kept, Recording
from hv.scenario.registry import library
from hv.scenario.runner import play


@pytest.fixture(scope="module")
def night() -> Night:
    """One recorded night of a guest."""
    with World() as world:
        return record(world)


def test_a_guest_that_does_not_flush_is_found(night: Night) -> None:
    """Without its flushes a finished hibernation can be lost: a finding, with the command that shows it."""
    flushes = night.recording.steps[: night.asleep - 1].count(None)
    writes = [step for step in night.recording.steps if step is not None]
    asleep = night.asleep - flushes
    careless = night._replace(recording=Recording(night.recording.before, writes), asleep=asleep)
    with World(settings={"cut": str(asleep)}) as world:
        sweep(world, careless, every=1)
        findings = [finding.text for finding in world.journal.findings]
    assert any("booted fresh instead of resumed" in text for text in findings)
    assert any(f"--set cut={asleep} --set kept=dropped" in text for text in findings)


def test_a_resume_with_other_memory_is_wrong(night: Night) -> None:
    """A guest that resumes with touched pages other than it had is wrong, whatever it says of them."""
    other = night.sleeper.workload._replace(fingerprint="0123456789abcdef")
    left = night.recording.medium(night.recording.survivors(night.asleep, Kept.DROPPED, seed=0))
    assert night.sleeper.boot(left).verdict is Verdict.RESUMED
    boot = replace(night.sleeper, workload=other).boot(left)
    assert boot.verdict is Verdict.WRONG
    assert "fingerprint" in boot.text


def test_the_monitor_watches_what_a_cut_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clause that the drivers break in such a boot makes it wrong, unless their era is known for it."""
    with World("e1", monitor=True) as world:
        night = record(world)
    left = night.recording.medium(night.recording.survivors(night.asleep, Kept.DROPPED, seed=0))
    assert night.sleeper.boot(left).verdict is Verdict.RESUMED
    monkeypatch.setitem(ERAS, "e1", replace(ERAS["e1"], breaks={}))
    boot = night.sleeper.boot(left)
    assert boot.verdict is Verdict.WRONG
    assert "C066" in boot.text


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("cut", "0", "--set cut=0: give a whole number from 1 to"),
        ("cut", "x", "--set cut=x: give a whole number from 1 to"),
        ("kept", "some", "--set kept=some: give one of dropped, kept, reordered"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(option: str, value: str, said: str) -> None:
    """The scenario breaks off; the message names the option and says what it takes."""
    case = next(library()["power-cut"].cases(settings={option: value}))
    assert said in play(case).broke


def test_an_option_that_is_not_there_is_refused() -> None:
    """The message names the options that the scenario has."""
    with pytest.raises(ConfigError, match="has no such option; it has cut, kept"):
        next(library()["power-cut"].cases(settings={"sector": "1"}))


def test_the_printed_command_plays_the_cut_again() -> None:
    """A case with a cut point and a fate boots exactly one disk, and its command says which."""
    case = next(library()["power-cut"].cases(settings={"cut": "37", "kept": "dropped"}))
    assert case.command.endswith("power-cut --era e0 --carrier swap --set cut=37 --set kept=dropped")
    outcome = play(case)
    assert outcome.passed
    assert outcome.journal.figures["cut_points"] == outcome.journal.figures["booted_fresh"] == 1
