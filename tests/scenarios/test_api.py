"""What a scenario's author relies on: time, conditions, power, judging."""

import errno
import gc
import re
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from hv.scenario import MS, SECOND, Carrier, Case, ScenarioError, World
from hv.scenario.registry import library, load
from hv.scenario.runner import Outcome, play
from tests.harness.patience import PATIENCE_S

TARGET = 1000


def test_the_same_case_is_the_same_run() -> None:
    """Every step of a case, with its virtual time, is the same each time it is played."""
    case = next(library()["twice-in-a-row"].cases())
    assert play(case) == play(case)


def test_a_target_is_set_at_its_time_whatever_the_guest_does() -> None:
    """A target for a later time comes then, to an idle guest too, and the driver follows it from there."""
    with World(carrier=Carrier.HOST) as world:
        run = world.boot()
        at = run.ns + 250 * MS
        run.set_target(TARGET, at_ns=at)
        assert run.balloon.target_pages == 0
        run.until_target()  # the old one, which holds already
        assert run.ns < at
        run.until(lambda: run.balloon.actual_pages == TARGET, "the new target is reached")
        assert at < run.ns < at + 100 * MS
        assert world.target == TARGET


def test_until_ns_comes_to_an_idle_guest() -> None:
    """Time passes for a guest that waits for nothing but the host."""
    with World(carrier=Carrier.HOST) as world:
        run = world.boot()
        run.until_ns(3 * SECOND)
        assert 3 * SECOND <= run.ns < 3 * SECOND + MS


def test_a_condition_that_does_not_come_breaks_off_with_the_last_words() -> None:
    """ScenarioError says what was waited for, how the machine stands, and what the guest said last."""
    with World(carrier=Carrier.HOST) as world:
        run = world.boot()
        with pytest.raises(ScenarioError, match=r"a miracle(.|\n)*thaw:0>"):
            run.until(lambda: False, "a miracle", within_ns=10 * MS)


def test_a_power_cut_takes_what_the_disk_had_not_flushed() -> None:
    """After a cut in the middle of an image the machine is off, and the next boot is a fresh one."""
    with World() as world:
        run = world.start(touch=500, target=TARGET)
        run.start_hibernation()
        run.until_line("PM: Saving image data pages")
        run.cut_power(at_ns=run.ns + MS)
        run.until_off()
        assert not run.on
        assert run.stop is None
        with pytest.raises(ScenarioError, match="is off"):
            run.shell("mem")
        again = world.power_on()
        again.until_fresh()
        again.shell("swapon")


def test_a_machine_that_is_off_leaves_nothing_behind() -> None:
    """Who forgets a machine that is off has RAM and disk back at once; no garbage collection is needed."""
    gc.disable()
    try:
        with World() as world:
            run = world.start(touch=500, target=TARGET)
            big = weakref.ref(run.machine.memory), weakref.ref(run.disk)
            run.hibernate()
            run = world.next()
            assert [each() for each in big] == [None, None]
    finally:
        gc.enable()


def test_power_goes_at_the_nth_disk_operation() -> None:
    """`cut_at` counts writes and flushes of the disk together, and the cut comes at exactly that one."""
    with World() as world:
        run = world.boot(cut_at=2)
        run.type("mkswap")
        run.until_off()
        assert run.disk is not None
        assert run.disk.operations == 2


def test_only_one_machine_is_on() -> None:
    """A second machine over the same disk while the first still runs is the author's mistake."""
    with World() as world:
        world.boot()
        with pytest.raises(ScenarioError, match="still on"):
            world.boot()


def test_a_wrong_expectation_of_a_command_breaks_off() -> None:
    """A hibernation that fails otherwise than it must, or does not fail, is not passed over."""
    with World(carrier=Carrier.HOST) as world:
        run = world.boot()
        with pytest.raises(ScenarioError, match="ended with -19, not -28"):
            run.hibernate_fails(-errno.ENOSPC, Carrier.SWAP)
        with pytest.raises(ScenarioError, match="did not go to sleep"):
            run.hibernate(Carrier.SWAP)


def test_books_that_do_not_balance_are_findings() -> None:
    """The seed's leak, when nobody says that it is known, is found by totals and page by page."""
    with World("e0", Carrier.HOST) as world:
        world.start(touch=500, target=TARGET).hibernate()
        woken = world.next()
        woken.until_target()
        woken.balance("resumed")
        found = [finding.text for finding in world.journal.findings]
        assert woken.leaked() == TARGET
        assert any("1000 pages are in use and nobody's" in text for text in found)
        assert any("leaked" in text and "1000 pages: 0x" in text for text in found)


def test_memory_that_changed_is_a_finding() -> None:
    """A byte of a touched page that is not what the guest wrote is found by verify."""
    with World(carrier=Carrier.HOST) as world:
        run = world.start(touch=500, target=TARGET)
        entry = run.ledger.entries[-1]
        assert entry.guest is not None
        page = int(entry.guest.touched.argmax())
        run.machine.memory.ram[page * 4096 + 7] ^= 1
        run.verify()
        assert any("1 of 500 touched pages are wrong" in f.text for f in world.journal.findings)


USERS = '''
from hv.scenario import World, scenario

@scenario(eras=("e4",))
def finds(world: World) -> None:
    """Finds something."""
    world.boot()
    world.figure("answer", 41, expected=42)

@scenario(eras=("e4",))
def crashes(world: World) -> None:
    """Has a mistake of its author's."""
    world.boot().shell("mem").number("no_such_figure")
'''


@pytest.fixture
def users_file(tmp_path: Path) -> Path:
    """A file of scenarios that is not the library's."""
    path = tmp_path / "users.py"
    path.write_text(USERS)
    return path


def _play(path: Path, name: str) -> Outcome:
    return play(Case(str(path), name, "e4", Carrier.HOST, 0))


def test_a_failed_expectation_of_a_figure_is_a_finding(users_file: Path) -> None:
    """The outcome has the figure, and a finding that names it."""
    outcome = _play(users_file, "finds")
    assert not outcome.passed
    assert outcome.journal.figures == {"answer": 41}
    assert [finding.text for finding in outcome.journal.findings] == ["answer is 41, not 42"]


def test_an_authors_mistake_names_its_line(users_file: Path) -> None:
    """An exception in the scenario's own code fails that case only, and says where it was."""
    broke = _play(users_file, "crashes").broke
    assert "KeyError" in broke
    assert f"({users_file}, line 13)" in broke


def test_the_example_in_the_documentation_passes(tmp_path: Path) -> None:
    """The scenario that docs/scenarios.md shows is one that holds."""
    docs = Path(__file__).parents[2] / "docs" / "scenarios.md"
    (example,) = re.findall(r"```python\n(import errno.*?)```", docs.read_text(), re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(example)
    (found,) = load(path).values()
    outcome = play(next(found.cases()))
    assert outcome.passed, outcome


def _thawvisor(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from hv.cli import main; main()", "scenario", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_the_command_that_replays_a_failure_replays_it(users_file: Path) -> None:
    """What a failing run prints as its replay fails in the same way, with status 1."""
    first = _thawvisor("run", str(users_file), "--carrier", "host", "-n", "1")
    assert first.returncode == 1
    assert "FAIL  finds e4 host" in first.stdout
    assert "FAIL  crashes e4 host" in first.stdout
    line = next(line for line in first.stdout.splitlines() if "replay:" in line)
    replay = line.partition("replay: thawvisor scenario ")[2].split()
    second = _thawvisor(*replay)
    assert second.returncode == 1
    assert "answer is 41, not 42" in second.stdout
    assert second.stdout.count("FAIL") == 1


def test_jobs_change_nothing() -> None:
    """Two processes print what one prints, in the same order, as JSON too."""
    names = ("run", "host-forgets", "restore-counts", "--carrier", "host", "--era", "e4", "--json")
    one, two = _thawvisor(*names, "-n", "1"), _thawvisor(*names, "-n", "2")
    assert one.returncode == two.returncode == 0
    assert one.stdout == two.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "no-such"], "no scenario 'no-such'"),
        (["run", "missing.py"], "missing.py: no such Python file"),
        (["run"], "nothing to run"),
        (["run", "freeze-fails", "--carrier", "host"], "nothing to run"),
    ],
)
def test_a_users_mistake_is_one_line(arguments: list[str], said: str) -> None:
    """A name, file or combination that is not there is one line on stderr and status 2."""
    result = _thawvisor(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_list_has_every_scenario() -> None:
    """`scenario list` has a line for each of the library's, with its promise."""
    listed = _thawvisor("list").stdout
    for name, scenario in library().items():
        assert any(line.startswith(name) and scenario.promise in line for line in listed.splitlines())


def test_a_guest_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kit nothing is run, and what to do is said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = _thawvisor("run", "host-forgets", "--guest", "linux")
    assert result.returncode == 2
    assert "thawvisor linux fetch" in result.stderr
    assert result.stderr.count("\n") == 1
