"""The whole suite as one call: run it, or only collect it, and what came out of each test."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hv.conformance import duts, register
from hv.conformance.marks import BOTH
from hv.errors import ConfigError

PASSED, DIFFERENCE, NOT_APPLICABLE, FAILED = "passed", "expected difference", "not applicable", "failed"


@dataclass(frozen=True)
class Selection:
    """What to run.

    Attributes:
        dut: `ours`, `qemu` or `module:Class`.
        device: `balloon`, `block` or `all`.
        interface: `modern`, `legacy` or `both`.
        expression: as pytest's `-k`, or "" for all.
        clause: id of the clause that the tests show, or "" for all.
    """

    dut: str = "ours"
    device: str = "all"
    interface: str = BOTH
    expression: str = ""
    clause: str = ""


@dataclass(frozen=True)
class Result:
    """One test on one device.

    Attributes:
        name: of the test, with device and case.
        file: where it is, relative to the suite.
        summary: its first line of documentation.
        clauses: ids of what it shows.
        device: kind of device, or "".
        interface: or "".
        outcome: `PASSED`, `DIFFERENCE`, `NOT_APPLICABLE`, `FAILED`, or "" when only collected.
        text: what was observed, where it did not pass.
        replay: the command that runs it again.
        difference: clause of the expected difference, or "".
    """

    name: str
    file: str
    summary: str
    clauses: tuple[str, ...]
    device: str
    interface: str
    replay: str
    outcome: str = ""
    text: str = ""
    difference: str = ""

    @property
    def function(self) -> str:
        """The name of the test function."""
        return self.name.partition("[")[0]

    @property
    def case(self) -> str:
        """The test's own parameters, without device and interface."""
        inside = self.name.partition("[")[2].rstrip("]")
        return inside.replace(f"{self.device}-{self.interface}", "", 1).strip("-")


def run(selection: Selection, junit: Path | None = None) -> list[Result]:
    """Run the chosen tests.

    Args:
        selection: which.
        junit: file for JUnit XML, or None.

    Raises:
        ConfigError: nothing to run, or the suite itself cannot be loaded.
        HostError: QEMU is to be tested, and is not here.
    """
    duts.check(selection.dut)
    gathered = _Gathered()
    arguments = [] if junit is None else [f"--junit-xml={junit}"]
    _pytest(selection, [*arguments, "-o", "junit_suite_name=conformance"], gathered)
    return gathered.results


def collect(selection: Selection) -> list[Result]:
    """Return the chosen tests without running them; raises ConfigError."""
    gathered = _Gathered()
    _pytest(selection, ["--collect-only"], gathered)
    return gathered.collected


def sentence(results: Sequence[Result]) -> str:
    """Return what came out, in one line."""
    counts = Counter(result.outcome for result in results)
    clauses = {each for result in results if result.outcome == PASSED for each in result.clauses}
    line = (
        f"{counts[PASSED]} passed, {counts[DIFFERENCE]} expected differences, {counts[FAILED]} unexpected;"
        f" {len(clauses)} clauses shown"
    )
    return f"{line}; {counts[NOT_APPLICABLE]} not applicable" if counts[NOT_APPLICABLE] else line


@dataclass
class _Gathered:
    """A pytest plugin that takes down what the tests are and what comes out of them."""

    collected: list[Result] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    _documented: dict[str, str] = field(default_factory=dict)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take down the tests."""
        for item in items:
            doc = getattr(getattr(item, "function", None), "__doc__", None) or ""
            self._documented[item.nodeid] = doc.strip().partition("\n")[0]
            self.collected.append(self._result(item.nodeid, item.user_properties))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take down a file that cannot be loaded."""
        if report.failed:
            self.trouble.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down what came out: of the test itself, or of what failed around it."""
        if report.when != "call" and report.passed:
            return
        properties = dict(report.user_properties)
        outcome, text = PASSED, ""
        if hasattr(report, "wasxfail"):
            outcome, text = DIFFERENCE, report.wasxfail
        elif report.skipped:
            outcome, text = NOT_APPLICABLE, str(properties.get("not applicable", report.longreprtext))
        elif report.failed:
            outcome, text = FAILED, report.longreprtext
        result = self._result(report.nodeid, report.user_properties)
        difference = str(properties.get("difference", ""))
        self.results.append(replace(result, outcome=outcome, text=text, difference=difference))

    def _result(self, nodeid: str, properties: list[tuple[str, object]]) -> Result:
        file, _, name = nodeid.partition("::")
        single = {key: str(value) for key, value in properties}
        return Result(
            name=name,
            file=Path(file).name,
            summary=self._documented[nodeid],
            clauses=tuple(str(value) for key, value in properties if key == "clause"),
            device=single.get("device", ""),
            interface=single.get("interface", ""),
            replay=single.get("replay", ""),
        )


def _pytest(selection: Selection, more: list[str], gathered: _Gathered) -> None:
    """Run pytest on the suite and on nothing else, whatever the user's own settings are."""
    if not register.TESTS.is_dir():
        raise ConfigError(f"{register.TESTS}: the suite's tests are not here; install thawvisor anew")
    if selection.clause and selection.clause not in register.clauses():
        known = list(register.clauses())
        raise ConfigError(f"--clause {selection.clause}: no such clause; they are {known[0]} to {known[-1]}")
    chosen = [f"--dut={selection.dut}", f"--device={selection.device}", f"--interface={selection.interface}"]
    if selection.expression:
        chosen += ["-k", selection.expression]
    if selection.clause:
        chosen.append(f"--clause={selection.clause}")
    status = pytest.main(
        [
            *("-c", os.devnull, f"--rootdir={register.TESTS}", "--import-mode=importlib", "-W", "error"),
            *("--disable-plugin-autoload", "-p", "hv.conformance.plugin"),
            *("-p", "no:terminal", "-p", "no:cacheprovider"),
            *(*chosen, *more, str(register.TESTS)),
        ],
        plugins=[gathered],
    )
    if gathered.trouble or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        trouble = "".join(gathered.trouble) or "no test matches"
        raise ConfigError(f"the suite cannot run (pytest's status {int(status)}): {trouble}")
