"""The fuzzer's rules hold for the programs that it kept, and notice a device that breaks them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from devices.virtio.balloon import Balloon
from devices.virtio.queue import Virtqueue
from hv.conformance.driver import Driver
from tests.fuzz.oracle import check
from tests.fuzz.slot import WatchedSlot

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_programs_of_the_corpus_break_no_rule() -> None:
    """Programs that fuzzing kept, each for a way through the devices that no other takes, are all fine."""
    assert CORPUS
    for path in CORPUS:
        try:
            check(path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name}: python -m tests.fuzz {path}") from error


def give_back_twice(queue: Virtqueue) -> None:
    """Serve a chain, and serve it again."""
    for batch in queue.batches():
        queue.push(batch)
        queue.push(batch)


def lose(queue: Virtqueue) -> None:
    """Take a chain and forget it."""
    for _ in queue.batches():
        pass


def write_unannounced(queue: Virtqueue) -> None:
    """Change a byte of the ring without a word."""
    for batch in queue.batches():
        batch.memory.ram[queue.layout.desc - batch.memory.base] ^= 1
        queue.push(batch)


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (give_back_twice, "given back and not taken"),
        (lose, "chains are under way"),
        (write_unannounced, "changed and not announced"),
    ],
)
def test_a_device_that_breaks_a_rule_is_noticed(handler: Callable[[Virtqueue], None], said: str) -> None:
    """A balloon with another handler of its queues fails at its first request, with the rule's name."""

    class Wrong(Balloon):
        def _handle(self, queue: Virtqueue) -> None:
            handler(queue)

    driver = Driver(WatchedSlot(Wrong(), "modern"))
    driver.start()
    with pytest.raises(AssertionError, match=said):
        driver.serves()
