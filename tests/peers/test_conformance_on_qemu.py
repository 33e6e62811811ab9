"""The conformance suite on QEMU's devices, modern and legacy."""

import pytest

from hv.conformance import suite
from hv.conformance.differences import differences
from hv.conformance.suite import DIFFERENCE, FAILED, PASSED, Selection
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
