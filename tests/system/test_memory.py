"""What the balloon gives back really is the host's again."""

import pytest

from hv import board
from tests.harness.guest import booted, config

RAM_MIB = 512


@pytest.fixture(scope="module")
def figures() -> dict[str, int]:
    """Touch and free nearly all of a 512 MiB guest, then inflate half of it and deflate it again."""
    with booted(config(RAM_MIB)) as guest:
        memory = guest.machine.memory
        balloon = guest.machine.balloon
        assert balloon is not None
        guest.type("touch 480M")
        guest.type("release")
        found = {"touched": memory.resident_bytes()}
        guest.inflate(RAM_MIB // 2 * board.MIB // board.PAGE_SIZE)
        found["inflated"] = memory.resident_bytes()
        found["ballooned"] = int(balloon.ballooned.sum()) * board.PAGE_SIZE
        guest.inflate(0)
        guest.type("touch 480M")
        found["touched again"] = memory.resident_bytes()
        found["bad"] = guest.type("verify").number("bad_pages")
        return found


def test_host_memory_falls_by_what_was_ballooned(figures: dict[str, int]) -> None:
    """Inflating half of a touched guest takes at least 95 % of it from the host's memory in use."""
    assert figures["ballooned"] == RAM_MIB // 2 * board.MIB
    assert figures["touched"] - figures["inflated"] >= 0.95 * figures["ballooned"]


def test_deflated_pages_hold_memory_again(figures: dict[str, int]) -> None:
    """After deflation the guest fills the pages anew; they cost host memory and hold what was written."""
    assert figures["touched again"] >= 480 * board.MIB
    assert figures["bad"] == 0
