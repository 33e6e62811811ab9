"""The pytest plugin behind the suite: gives tests their devices, and judges what came out.

Loaded with `-p hv.conformance.plugin`; `--dut`, `--device`, `--interface` and `--clause` choose. A test with
the mark `@clauses` that takes the fixture `driver` runs once for each device and interface that it is about.
"""

import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hv.conformance import duts, register
from hv.conformance.differences import Difference, differences
from hv.conformance.driver import Driver
from hv.conformance.dut import DEVICES, INTERFACES, MakeDut, NotOfferedError
from hv.conformance.marks import BOTH

_FRAMES = 4
"""The innermost frames of what went wrong otherwise than by an assertion."""

_PLACES = pytest.StashKey["Place"]()


class Place(NamedTuple):
    """Which test ran where.

    Attributes:
        dut: as `--dut` names it.
        device: its kind, or "" for a test that takes no device.
        interface: of the device, or "".
        function: name of the test function.
        case: the rest of the test's id, or "".
    """

    dut: str
    device: str
    interface: str
    function: str
    case: str

    @property
    def replay(self) -> str:
        """The command that runs this test again."""
        device = f" --device {self.device} --interface {self.interface}" if self.device else ""
        return f"thawvisor conformance run --dut {self.dut}{device} -k {self.function}"

    @property
    def difference(self) -> Difference | None:
        """The difference that is expected here."""
        return next((each for each in differences() if each.expects(*self)), None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choices."""
    group = parser.getgroup("conformance")
    group.addoption("--dut", default="ours", help="device under test: ours, qemu, module:Class")
    group.addoption("--device", default="all", choices=(*DEVICES, "all"), help="kind of device")
    group.addoption("--interface", default=BOTH, choices=(*INTERFACES, BOTH), help="of virtio-mmio")
    group.addoption("--clause", default="", help="only tests that show this clause, such as C031")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "clauses(*ids, device, interface): clauses that the test shows")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of tests that does not name the clause: some take long to load."""
    clause = config.getoption("--clause")
    if clause and collection_path.suffix == ".py" and f'"{clause}"' not in collection_path.read_text():
        return True
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test run on each device and interface that it is about and that is chosen."""
    mark = metafunc.definition.get_closest_marker("clauses")
    if mark is None or "driver" not in metafunc.fixturenames:
        return
    devices, interfaces = duts.kinds(metafunc.config.getoption("--dut"))
    places = [
        (device, interface)
        for device in _both(mark.kwargs["device"], metafunc.config.getoption("--device"), devices)
        for interface in _both(mark.kwargs["interface"], metafunc.config.getoption("--interface"), interfaces)
    ]
    metafunc.parametrize("place", places, ids=["-".join(place) for place in places], scope="function")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the clause ids, and drop tests that are not about what was chosen; raises UsageError."""
    dut = config.getoption("--dut")
    items[:] = [item for item in items if _placed(item, dut) and _shows(item, config.getoption("--clause"))]


def _shows(item: pytest.Item, clause: str) -> bool:
    """Return whether a test is marked with a clause, if one was chosen."""
    mark = item.get_closest_marker("clauses")
    return not clause or (mark is not None and clause in mark.args)


def _placed(item: pytest.Item, dut: str) -> bool:
    """Note on an item where it runs and how to run it again; return whether it does run."""
    mark = item.get_closest_marker("clauses")
    if mark is None or not isinstance(item, pytest.Function):
        return True
    unknown = [each for each in mark.args if each not in register.clauses()]
    if unknown or not mark.args:
        raise pytest.UsageError(f"{item.nodeid}: no such clauses in clauses.tsv: {unknown}")
    params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
    # A test without a device is about our guest's drivers, on devices of ours.
    chosen = params.get("place", ("", "") if dut == "ours" else None)
    if not isinstance(chosen, tuple):
        return False
    case = item.name.removeprefix(item.originalname)[1:-1].replace("-".join(chosen), "", 1).strip("-")
    place = Place(dut, chosen[0], chosen[1], item.originalname, case)
    item.stash[_PLACES] = place
    item.user_properties += zip(("dut", "device", "interface"), place, strict=False)
    item.user_properties += [("replay", place.replay), *(("clause", each) for each in mark.args)]
    return True


@pytest.fixture(scope="session")
def make_dut(pytestconfig: pytest.Config) -> Iterator[MakeDut]:
    """What makes devices under test."""
    with duts.maker(pytestconfig.getoption("--dut")) as make:
        yield make


@pytest.fixture
def driver(make_dut: MakeDut, place: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A driver that has not touched its device yet, which is as new."""
    dut = make_dut(*place)
    request.node.stash[_DRIVERS] = driver = Driver(dut, *place)
    yield driver
    dut.close()


_DRIVERS = pytest.StashKey[Driver]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a test: passed, an expected difference, not applicable, or failed, with what was observed."""
    report = yield
    place = item.stash.get(_PLACES, None)
    if place is None or (report.when != "call" and report.passed):
        return report
    error = call.excinfo.value if call.excinfo is not None else None
    message = _message(call.excinfo) if call.excinfo is not None else ""
    difference = place.difference
    if difference is not None and difference.shows in message:
        report.outcome, report.wasxfail = "skipped", difference.observed
        report.user_properties.append(("difference", difference.clause))
    elif isinstance(error, NotOfferedError) and place.dut not in duts.KNOWN:
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, message)
        report.user_properties.append(("not applicable", message))
    elif difference is not None or error is not None:
        if difference is not None:
            message = f"the expected difference does not show: {difference.observed}\n{message}"
        report.outcome = "failed"
        report.longrepr = _told(item, place, message)
    return report


def _message(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Return what a test saw; where it is no failed assertion, with the way there."""
    if isinstance(excinfo.value, (AssertionError, NotOfferedError)):
        lines = str(excinfo.value).splitlines()
        return "\n".join(line for line in lines if line.strip() and "-v to get" not in line)
    return "".join(traceback.format_exception(excinfo.value, limit=-_FRAMES))


def _told(item: pytest.Item, place: Place, message: str) -> str:
    """Return what a failure prints: the clauses, what was observed, how to see it again."""
    mark = item.get_closest_marker("clauses")
    assert mark is not None
    driver = item.stash.get(_DRIVERS, None)
    lines = [str(register.clauses()[each]) for each in mark.args]
    lines += ["observed:", *(f"  {line}" for line in message.splitlines())]
    if driver is not None and driver.log:
        lines += ["the last registers:", *(f"  {line}" for line in driver.log)]
    return "\n".join([*lines, f"replay: {place.replay}"])


def _both(about: str, chosen: str, offered: tuple[str, ...]) -> list[str]:
    """Return what a mark is about, what the user chose, and what the device offers: all three."""
    return [each for each in offered if about in (each, "all", BOTH) and chosen in (each, "all", BOTH)]
