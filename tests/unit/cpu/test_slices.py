"""A run is a function of its inputs: not of slices, processes, hash seeds or threads."""

import itertools
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv.cpu import HartStop, internals
from hv.cpu.riscv import M_MODE
from hv.cpu.state import NEVER
from tests.harness.patience import PATIENCE_S
from tests.unit.cpu.board import SECOND, Board, Image

PROGRAM = "busy"
TYPED = {1_000_000: b"a", 3_333_333: b"bcd", 3_333_334: b"e", 20_000_001: b"fg"}
"""Console input by the virtual time (ns) at which it arrives."""


class Outcome(tuple[str, int, str]):
    """What a run left: text, clock in ns, hash of RAM."""


def outcome(board: Board) -> Outcome:
    """Return what the run left."""
    return Outcome((board.text, board.hart.now_ns, board.digest()))


def run_typed(board: Board, slices: Iterable[int]) -> Outcome:
    """Run to the end in slices of so many ns, with the console input at its times."""
    lengths = iter(slices)
    until = 0
    for arrival, data in [*TYPED.items(), (SECOND, b"")]:
        while until < arrival:
            until = min(until + next(lengths), arrival)
            if board.run(until) is HartStop.REQUESTED:
                return outcome(board)
        board.uart.receive(data)
    raise AssertionError("the program did not end")


@pytest.fixture(scope="module")
def expected(image: Image) -> Outcome:
    """The outcome of the run in as few slices as there are inputs."""
    with Board(image, PROGRAM) as board:
        return run_typed(board, itertools.repeat(SECOND))


def test_the_program_uses_what_it_should(expected: Outcome) -> None:
    """The busy guest really takes timer interrupts, makes calls, receives input and sets float flags."""
    values = dict(line.split(" = ") for line in expected[0].splitlines() if " = " in line)
    assert int(values["ticks"], 16) > 500
    assert int(values["calls"], 16) == 1200
    assert int(values["received"], 16) == 7
    assert int(values["fflags"], 16) == 1


@pytest.mark.parametrize("length", [23_000, 997], ids=["a thousand slices", "of odd length"])
def test_slices_make_no_difference(image: Image, expected: Outcome, length: int) -> None:
    """Console input at the same virtual times gives the same clock and RAM, however the run is cut."""
    with Board(image, PROGRAM) as board:
        assert run_typed(board, itertools.repeat(length)) == expected


@given(lengths=st.lists(st.integers(1, 2_000_000), min_size=1, max_size=8))
def test_no_sequence_of_slices_makes_a_difference(
    image: Image, expected: Outcome, lengths: list[int]
) -> None:
    """Any sequence of slice lengths, repeated, ends like the uncut run."""
    with Board(image, PROGRAM) as board:
        assert run_typed(board, itertools.cycle([*lengths, 100_000])) == expected


def run_child(image: Image, *arguments: str, **environment: str) -> dict[str, object]:
    """Run the program in a new process; return its outcome."""
    command = [sys.executable, "-m", "tests.unit.cpu.child", str(image.path), PROGRAM, *arguments]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        command,
        cwd=root,
        env=os.environ | environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=PATIENCE_S,
    )
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_hash_seeds_make_no_difference(image: Image) -> None:
    """Two processes with different hash seeds run the guest alike."""
    first = run_child(image, PYTHONHASHSEED="1")
    assert run_child(image, PYTHONHASHSEED="2") == first


def test_a_second_process_compiles_nothing(image: Image, expected: Outcome) -> None:
    """All hooks come out of numba's cache once some process has compiled them."""
    assert expected
    assert run_child(image)["compiled"] == []


@pytest.mark.parametrize("after_ns", [500_000, 7_777_777])
def test_a_saved_run_goes_on_in_another_process(image: Image, tmp_path: Path, after_ns: int) -> None:
    """What is saved in the middle, restored in a new process and run on ends like the uninterrupted run."""
    with Board(image, PROGRAM) as board:
        assert board.run(after_ns) is HartStop.BUDGET
        (tmp_path / "state").write_bytes(pickle.dumps(board.save()))
        board.finish()
        text, ns, digest = outcome(board)
    child = run_child(image, str(tmp_path / "state"))
    assert (child["text"], child["ns"], child["digest"]) == (text, ns, digest)


def test_saving_is_lossless(boot: Callable[[str], Board]) -> None:
    """A fresh board that took over a state saves that state again."""
    first, second = boot(PROGRAM), boot(PROGRAM)
    first.run(2_345_678)
    second.restore(first.save())
    assert second.save() == first.save()


def test_the_host_clock_does_not_size_the_tlb(boot: Callable[[str], Board]) -> None:
    """After a run the window in which QEMU may not shrink M-mode's TLB is not a time of the host's clock."""
    board = boot(PROGRAM)
    board.finish()
    window = board.hart.location.cpu + internals.CPU_TLB_WINDOW + M_MODE * internals.CPU_TLB_STRIDE
    assert internals.load(window) in (0, NEVER)


def test_harts_in_threads_do_not_touch_each_other(image: Image) -> None:
    """Two harts that run at the same time in two threads, and one after they are closed, end alike."""
    outcomes: list[Outcome] = []

    def run() -> None:
        with Board(image, PROGRAM) as board:
            board.finish()
            outcomes.append(outcome(board))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run()
    assert len(outcomes) == 3
    assert len(set(outcomes)) == 1
