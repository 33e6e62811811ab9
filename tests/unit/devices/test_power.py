"""Power control: what a guest's store asks of the platform."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.power import Power, PowerAction, PowerRequest

POWEROFF, RESET, HIBERNATE = map(
    PowerRequest, (PowerAction.POWEROFF, PowerAction.RESET, PowerAction.HIBERNATE)
)


@pytest.mark.parametrize(
    ("offset", "size", "value", "request_"),
    [
        (0, 4, 0x5555, POWEROFF),
        (0, 2, 0x5555, POWEROFF),
        (0, 4, 0x1234_5555, POWEROFF),
        (0, 4, 0x7777, RESET),
        (0, 4, 0x0007_3333, PowerRequest(PowerAction.FAIL, 7)),
        (0, 2, 0x0007_3333, PowerRequest(PowerAction.FAIL, 0)),
        (8, 4, 0x4444, HIBERNATE),
    ],
)
def test_stores_that_ask_for_something(offset: int, size: int, value: int, request_: PowerRequest) -> None:
    """Each known value asks for its action once; only a failure carries the code."""
    requests: list[PowerRequest] = []
    Power(requests.append).write(offset, size, value)
    assert requests == [request_]


@given(
    offset=st.sampled_from((0, 4, 8, 12)),
    size=st.sampled_from((1, 2, 4, 8)),
    value=st.integers(0, (1 << 32) - 1),
)
def test_any_other_store_asks_for_nothing(offset: int, size: int, value: int) -> None:
    """Unknown values, wrong registers and wrong widths are ignored, and everything reads 0."""
    requests: list[PowerRequest] = []
    power = Power(requests.append)
    finisher = offset == 0 and size in (2, 4) and value & 0xFFFF in (0x5555, 0x7777, 0x3333)
    sleep = offset == 8 and size == 4 and value == 0x4444
    power.write(offset, size, value)
    assert bool(requests) == (finisher or sleep)
    assert power.read(offset, size) == 0
