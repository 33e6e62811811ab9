"""The conformance suite's frame: its tables, its judgements, its command, its documentation."""

import sys
from functools import _lru_cache_wrapper
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from hv.conformance import differences, register, suite
from hv.conformance.coverage import State, coverage
from hv.conformance.dut import Dut
from hv.conformance.ours import BalloonSlot
from hv.conformance.suite import DIFFERENCE, FAILED, NOT_APPLICABLE, PASSED, Selection
from hv.errors import ConfigError, ImageError
from hv.monitor import NOT_WATCHED, WATCHED
from tests.harness.terminal import thawvisor

ROOT = Path(__file__).parents[3]


class Deaf(BalloonSlot):
    """A balloon whose host can do nothing, and that is modern only."""

    devices = ("balloon",)
    interfaces = ("modern",)
    set_target = Dut.set_target

    def __init__(self, _device: str, _interface: str) -> None:
        super().__init__()


class Stuck(Deaf):
    """A balloon that does not forget its status at a reset."""

    def write(self, offset: int, size: int, value: int) -> None:
        """Ignore a reset."""
        if (offset, value) != (0x70, 0):
            super().write(offset, size, value)


DEAF, STUCK = f"{__name__}:Deaf", f"{__name__}:Stuck"


def outcomes(selection: Selection) -> dict[str, str]:
    """Run tests and return what came out, by name."""
    return {result.name: result.outcome for result in suite.run(selection)}


def test_the_register_has_every_clause() -> None:
    """305 clauses, 124 of them a device's, each with a level, a text and an area."""
    clauses = register.clauses()
    assert list(clauses) == [f"C{number:03}" for number in range(1, 306)]
    assert sum(clause.role == "device" for clause in clauses.values()) == 124
    assert all(clause.text and clause.area and clause.chapter for clause in clauses.values())


def test_what_cannot_be_tested_is_not_tested() -> None:
    """A device clause with a reason why it cannot be tested here has no test."""
    tested = {each for result in suite.collect(Selection()) for each in result.clauses}
    assert not tested & register.untestable().keys()


def test_every_clause_is_accounted_for() -> None:
    """Each clause is tested, watched, or has a reason; a reason is rare for drivers, rarer for devices."""
    entries = coverage(suite.collect(Selection()))
    assert [str(each.clause) for each in entries if each.state == State.OPEN] == []
    seen = [each.clause for each in entries if each.state in (State.TESTED, State.WATCHED)]
    assert sum(each.role == "driver" for each in seen) >= 150
    devices = {each.id for each in register.clauses().values() if each.role == "device"}
    assert devices - {each.id for each in seen} == register.untestable().keys()


def test_the_monitor_knows_the_register() -> None:
    """What the monitor watches, and what it cannot, are all clauses for drivers."""
    drivers = {each.id for each in register.clauses().values() if each.role == "driver"}
    assert WATCHED.keys() | NOT_WATCHED.keys() == drivers
    assert not WATCHED.keys() & NOT_WATCHED.keys()


def test_every_difference_is_about_a_test_and_its_clause() -> None:
    """Each expected difference names a test of the suite, on that device, and one of its clauses."""
    tests = [(result, result.device, result.interface) for result in suite.collect(Selection())]
    for each in differences.differences():
        found = [
            result
            for result, device, interface in tests
            if each.expects(each.dut, device, interface, result.function, result.case)
        ]
        assert found, each
        assert all(each.clause in result.clauses for result in found), each


def test_a_fault_is_told_with_its_clause_and_a_replay() -> None:
    """A failing test prints the clause, what was observed, the accesses before it, and a command."""
    results = suite.run(Selection(STUCK, expression="test_status_reads_zero"))
    assert [result.outcome for result in results] == [FAILED]
    lines = results[0].text.splitlines()
    assert lines[0] == str(register.clauses()["C031"])
    assert "  assert 15 == 0" in lines
    assert any("STATUS" in line and "<- 0x0" in line for line in lines)
    assert lines[-1] == (
        f"replay: thawvisor conformance run --dut {STUCK} --device balloon --interface modern"
        " -k test_status_reads_zero_after_a_reset"
    )


def test_what_a_device_cannot_do_is_not_applicable() -> None:
    """A test that needs a word of the host that a user's device lacks is neither passed nor failed."""
    results = suite.run(Selection(DEAF, expression="test_a_new_target_after_a_reset"))
    assert [(result.outcome, result.text) for result in results] == [
        (NOT_APPLICABLE, "the host cannot set a balloon target")
    ]


def test_a_user_class_runs_only_where_it_can() -> None:
    """The tests run on the devices and interfaces that the class names."""
    results = suite.collect(Selection(DEAF))
    assert {(result.device, result.interface) for result in results} == {("balloon", "modern")}


@pytest.fixture
def expect(monkeypatch: pytest.MonkeyPatch) -> object:
    """Replace the table of differences by one line."""

    def replace(dut: str, test: str, clause: str, shows: str) -> None:
        line = differences.Difference(dut, "all", "both", test, clause, shows, "it does otherwise")
        monkeypatch.setattr("hv.conformance.plugin.differences", lambda: (line,))

    return replace


def test_an_expected_difference_is_no_failure(expect: object) -> None:
    """A failure that is written down, with its message, comes out as an expected difference."""
    name = "test_status_reads_zero_after_a_reset"
    expect(STUCK, name, "C031", "assert 15 == 0")  # type: ignore[operator]
    results = suite.run(Selection(STUCK, expression=name))
    assert [(each.outcome, each.difference, each.text) for each in results] == [
        (DIFFERENCE, "C031", "it does otherwise")
    ]


@pytest.mark.parametrize(("dut", "shows"), [(DEAF, "assert 15 == 0"), (STUCK, "assert 3 == 0")])
def test_a_difference_that_does_not_show_is_a_failure(expect: object, dut: str, shows: str) -> None:
    """A written difference fails when the test passes, and when it fails otherwise."""
    name = "test_status_reads_zero_after_a_reset"
    expect(dut, name, "C031", shows)  # type: ignore[operator]
    results = suite.run(Selection(dut, expression=name))
    assert [each.outcome for each in results] == [FAILED]
    assert "the expected difference does not show" in results[0].text


def test_all_of_ours_is_offered() -> None:
    """No test of the suite is left out on our devices."""
    assert set(outcomes(Selection(expression="suspend or order or any_layout")).values()) == {PASSED}


@pytest.mark.parametrize(
    ("dut", "reason"),
    [
        ("nobody", "is none of ours, qemu"),
        ("no_such_module:Device", "No module named"),
        (f"{__name__}:NoSuchClass", "no attribute 'NoSuchClass'"),
        ("pathlib:Path", r"is no hv\.conformance\.dut\.Dut"),
    ],
)
def test_a_name_that_is_no_device_is_refused(dut: str, reason: str) -> None:
    """`--dut` with anything else is one line that names the option."""
    with pytest.raises(ConfigError, match=f"--dut {dut}: .*{reason}"):
        suite.run(Selection(dut))


def test_a_clause_selects_the_tests_that_show_it() -> None:
    """Every test that is marked with the clause runs, and no other."""
    shown = [each.name for each in suite.collect(Selection()) if "C031" in each.clauses]
    assert shown
    assert [each.name for each in suite.collect(Selection(clause="C031"))] == shown


def test_a_clause_that_there_is_not_is_refused() -> None:
    """The user is told which clauses there are."""
    with pytest.raises(ConfigError, match="--clause C31: no such clause; they are C001 to C305"):
        suite.run(Selection(clause="C31"))


def test_an_expression_that_matches_nothing_is_refused() -> None:
    """`-k` without a test is a mistake, not a success."""
    with pytest.raises(ConfigError, match="no test matches"):
        suite.run(Selection(expression="no_such_test"))


@pytest.mark.parametrize(
    ("load", "text", "reason"),
    [
        (register.clauses, "id\ttext\n", "clauses.tsv:1: the columns must be"),
        (register.untestable, "clause\treason\nC999\tnever\n", "untestable.tsv:2: unknown or doubled clause"),
        (register.untestable, "clause\treason\nC001\n", "untestable.tsv:2: 1 fields"),
        (differences.differences, "dut\n", "differences.tsv:1: the columns must be"),
    ],
)
def test_a_damaged_table_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: "_lru_cache_wrapper[object]",
    text: str,
    reason: str,
) -> None:
    """A table that does not fit is one line that names the file, the line and the fix."""
    (tmp_path / reason.partition(":")[0]).write_text(text)
    monkeypatch.setattr(register, "TESTS", tmp_path)
    with pytest.raises(ImageError, match=reason):
        load.__wrapped__()


def test_an_unknown_clause_stops_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that names a clause which is not in the register is told, not run."""
    (tmp_path / "test_wrong.py").write_text(
        dedent("""
        from hv.conformance.marks import clauses

        @clauses("C999")
        def test_wrong(driver):
            pass
        """)
    )
    monkeypatch.setattr(register, "TESTS", tmp_path)
    with pytest.raises(ConfigError, match="the suite cannot run"):
        suite.run(Selection())


def test_the_command_says_what_came_out(tmp_path: Path) -> None:
    """`run` prints one line of counts, and writes JUnit XML and a page."""
    junit, page = tmp_path / "out.xml", tmp_path / "out.html"
    done = thawvisor(
        *("conformance", "run", "--device", "block", "-k", "test_status_reads_zero"),
        *("--junit", junit, "--html", page),
    )
    assert done.status == 0, done.err
    assert done.out == "2 passed, 0 expected differences, 0 unexpected; 1 clauses shown\n"
    cases = ElementTree.parse(junit).findall(".//testcase")
    properties = [{(each.get("name"), each.get("value")) for each in case.iter("property")} for case in cases]
    assert len(properties) == 2
    assert all(("clause", "C031") in each for each in properties)
    assert "<h2>passed (2)</h2>" in page.read_text()


def test_the_command_fails_with_a_device(tmp_path: Path) -> None:
    """`run` ends with 1 when a clause does not hold, and names it; a user's class is found beside him."""
    (tmp_path / "mine.py").write_text("from tests.unit.hv.test_conformance import Stuck\n")
    done = thawvisor(
        *("conformance", "run", "--dut", "mine:Stuck", "-k", "test_status_reads_zero"),
        shell=f"cd {tmp_path}; export PYTHONPATH={ROOT}; true",
    )
    assert done.status == 1, done.err
    assert "C031: the device MUST set device status back to 0 after receiving a reset" in done.out
    assert done.out.endswith("0 passed, 0 expected differences, 1 unexpected; 0 clauses shown\n")


def test_the_list_has_each_test_with_its_clauses() -> None:
    """`list` prints name, clauses and summary."""
    done = thawvisor("conformance", "list", "-k", "test_status_reads_zero", "--device", "block")
    assert done.out.splitlines()[:2] == [
        "test_status_reads_zero_after_a_reset[block-modern]  C031",
        "    A reset brings a working device's status back to 0.",
    ]


def test_the_report_counts_every_clause(tmp_path: Path) -> None:
    """`report` prints coverage for each role and area, and writes every clause as XML and as a page."""
    junit, page = tmp_path / "clauses.xml", tmp_path / "clauses.html"
    done = thawvisor("conformance", "report", "--junit", junit, "--html", page)
    assert done.status == 0, done.err
    assert "305 clauses" in done.out.splitlines()[0]
    assert page.read_text().count("<tr>") == 305
    root = ElementTree.parse(junit).getroot()
    assert len(root.findall(".//testcase")) == sum(int(suite.get("tests")) for suite in root) == 305
    assert len(root.findall(".//skipped")) == sum(int(suite.get("skipped")) for suite in root) > 0
    assert root.findall(".//failure") == []


def test_the_documentation_has_the_differences() -> None:
    """The table in docs is what `thawvisor conformance differences` prints."""
    assert (ROOT / "docs" / "conformance.md").read_text().endswith(differences.markdown())


def test_shipped_tests_need_nothing_of_the_tree() -> None:
    """The suite's files import the product, pytest and the standard library only."""
    allowed = {*sys.stdlib_module_names, "hv", "devices", "pytest", "numpy"}
    for path in register.TESTS.glob("*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].partition(".")[0] in allowed, f"{path.name}: {line}"
