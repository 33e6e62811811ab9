"""The conformance suite on QEMU's devices, modern and legacy."""

import pytest

from hv.conformance import suite
from hv.conformance.differences import differences
from hv.conformance.driver import Driver
from hv.conformance.qemu import QemuMaker
from hv.conformance.suite import DIFFERENCE, FAILED, PASSED, Selection
from hv.qemu.stopped import StubError
from tests.harness.qemu_process import find_qemu

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("interface", ["modern", "legacy"])
def test_qemu_differs_only_where_it_is_known_to(interface: str) -> None:
    """Every test passes on QEMU's devices or shows the difference that is written down."""
    find_qemu()
    results = suite.run(Selection("qemu", interface=interface))
    assert [f"{each.name}\n{each.text}" for each in results if each.outcome == FAILED] == []
    assert {each.outcome for each in results} == {PASSED, DIFFERENCE}
    written = {each.clause for each in differences() if each.interface in (interface, "both")}
    assert {each.difference for each in results if each.outcome == DIFFERENCE} == written


def test_a_qemu_that_ended_is_replaced() -> None:
    """A test that ends QEMU fails by that; the next one has a device again."""
    find_qemu()
    with QemuMaker() as make:
        driver = Driver(make("balloon", "modern"))
        driver.start()
        driver.dut.qemu.qmp.execute("quit")
        with pytest.raises((StubError, OSError)):
            driver.notify(0)
        driver = Driver(make("balloon", "modern"))
        driver.start()
        assert driver.serves()
