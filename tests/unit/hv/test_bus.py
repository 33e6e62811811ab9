"""The bus: no device lies over another, whoever comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.empty import EmptySlot
from hv.board import Region
from hv.bus import Bus
from hv.errors import ConfigError

REGIONS = st.lists(st.builds(Region, st.integers(0, 40), st.integers(1, 8)), max_size=8)


def overlap(one: Region, other: Region) -> bool:
    """Whether two regions have a byte in common, told the slow way."""
    return bool(set(range(one.base, one.base + one.size)) & set(range(other.base, other.base + other.size)))


@given(REGIONS, st.builds(Region, st.integers(0, 40), st.integers(1, 8)))
def test_every_address_has_one_device(regions: list[Region], asked: Region) -> None:
    """A device is refused exactly when it shares a byte with one that is there; the others stay, in order."""
    bus = Bus()
    there: list[Region] = []
    for region in regions:
        if any(overlap(region, other) for other in there):
            with pytest.raises(ConfigError, match="overlaps"):
                bus.attach("device", region, EmptySlot())
        else:
            bus.attach("device", region, EmptySlot())
            there.append(region)
    assert [(window.base, window.size) for window in bus] == [(r.base, r.size) for r in there]
    assert bus.taken(asked) == any(overlap(asked, other) for other in there)


def test_the_message_names_both() -> None:
    """A conflict is told with both devices' names and both ranges."""
    bus = Bus()
    bus.attach("old", Region(0x1000, 0x100), EmptySlot())
    message = "new at 0x1080-0x117f overlaps old at 0x1000-0x10ff: give one of them another slot"
    with pytest.raises(ConfigError, match=message):
        bus.attach("new", Region(0x1080, 0x100), EmptySlot())
