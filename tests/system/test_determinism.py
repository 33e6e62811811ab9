"""The same inputs give the same clock and the same RAM, however a run is cut, whatever the host does."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from hv import board
from hv.demo import story
from hv.demo.plan import Ending, Plan
from hv.hibernate import Carrier
from hv.machine import Machine
from hv.stop import StopReason
from tests.harness.guest import config, make_disk

MS = 1_000_000
BOOTED = 2 * MS
END = 60 * MS


class Outcome(NamedTuple):
    """All that may not depend on the host."""

    ns: int
    ram: str
    console: str
    hart: object


def run_sliced(disk: Path, slices: int) -> Outcome:
    """Run a guest to a fixed time in equal slices; typing and targets come in at fixed times."""
    make_disk(disk, 80 * board.MIB)
    with Machine(config(64, disk)) as machine:

        def run_to(until: int) -> None:
            start = machine.now_ns
            for i in range(1, slices + 1):
                stop = machine.run(start + (until - start) * i // slices)
                if stop.reason is StopReason.IDLE:
                    # Nothing but the next input will happen: let its time come.
                    machine.hart.advance(until)
                    return

        run_to(BOOTED)
        machine.uart.receive(b"mkswap\nswapon\ntouch 2000\nsleep 5\n")
        run_to(12 * MS)
        machine.set_balloon_target(3000)
        run_to(12 * MS + 777)
        machine.set_balloon_target(2500)
        run_to(25 * MS)
        machine.uart.receive(b"verify\nhibernate\n")
        run_to(END)
        return Outcome(machine.now_ns, machine.ram_sha256(), machine.console.text(), machine.hart.save())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The run that is not cut."""
    return run_sliced(tmp_path_factory.mktemp("whole") / "disk", 1)


@pytest.mark.parametrize("slices", [7, 1000])
def test_slices_do_not_matter(slices: int, whole: Outcome, tmp_path: Path) -> None:
    """A boot, ballooning and half a hibernation end alike in one slice an input and in a thousand."""
    assert "Saving image data pages" in whole.console
    assert run_sliced(tmp_path / "disk", slices) == whole


@contextmanager
def busy_host() -> Iterator[None]:
    """Keep every CPU busy with something else."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_load_does_not_matter(whole: Outcome, tmp_path: Path) -> None:
    """A run beside processes that fight it for the CPUs ends like one that has them to itself."""
    with busy_host():
        assert run_sliced(tmp_path / "disk", 1) == whole


@pytest.mark.parametrize("carrier", list(Carrier))
def test_two_demos_end_alike(carrier: Carrier, tmp_path: Path) -> None:
    """Two demos, four processes: the same clocks, the same RAM, books that balance."""

    def tell(folder: Path) -> list[Ending]:
        folder.mkdir()
        disk = make_disk(folder / "swap.img", 80 * board.MIB) if carrier is Carrier.SWAP else None
        plan = Plan(config(64, disk), carrier, touch=3000, target=4000, image=folder / "guest.s4")
        ledger = story.tell(plan, lambda _moment: None)
        assert list(ledger.findings()) == []
        return [ending._replace(pid=0) for ending in ledger.endings]

    assert tell(tmp_path / "one") == tell(tmp_path / "two")
