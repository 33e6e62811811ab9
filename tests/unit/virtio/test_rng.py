"""The entropy device: full answers, never the same twice, the same in every run."""

import pytest

from devices.state import StateError
from devices.virtio.rng import ANSWER_MAX, Rng
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver


class Source:
    """A driver that asks for random bytes."""

    def __init__(self, seed: int) -> None:
        self.rng = Rng(seed)
        self._driver = Driver(Slot(self.rng))
        self._driver.take(0x8000)
        self._driver.start()

    def ask(self, *lengths: int) -> bytes:
        """Return what comes into writable pieces of these lengths, which lie one after the other."""
        starts = [RAM_BASE + sum(lengths[:index]) for index in range(len(lengths))]
        pieces = [Buffer(start, length, True) for start, length in zip(starts, lengths, strict=True)]
        _, written = self._driver.submit(0, pieces)
        return self._driver.memory.read(RAM_BASE, written)


def test_the_seed_decides_everything() -> None:
    """Two devices with one seed answer alike, however the room is divided; another seed answers otherwise."""
    one, same, other = Source(7), Source(7), Source(8)
    first = one.ask(64)
    assert len(first) == 64
    assert same.ask(1, 13, 50) == first
    assert other.ask(64) != first
    assert one.ask(64) not in (first, bytes(64))


def test_a_request_has_an_end() -> None:
    """A huge buffer is answered with fewer bytes, as the specification allows."""
    assert len(Source(1).ask(0x7000)) == ANSWER_MAX


def test_a_restored_device_goes_on() -> None:
    """It answers what the saved one would have, whatever its own seed was; nonsense is refused."""
    saved, restored = Source(1), Source(2)
    saved.ask(10)
    restored.rng.restore(saved.rng.save())
    assert restored.ask(32) == saved.ask(32)
    with pytest.raises(StateError, match=r"rng\.answers"):
        restored.rng.restore({"seed": 1, "answers": -1})
