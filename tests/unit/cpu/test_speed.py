"""The hart beside QEMU: the same results, and times to look at (`pytest -s -m peers`)."""

import time

import pytest

from tests.unit.cpu.board import Board, Image
from tests.unit.cpu.test_programs import run_on_qemu


@pytest.mark.peers
@pytest.mark.parametrize("program", ["arithmetic", "mixed"])
def test_same_work_same_result_as_on_qemu(image: Image, program: str) -> None:
    """A computation ends with the same value here and on QEMU; the two times are printed."""
    start = time.perf_counter()
    with Board(image, program) as board:
        ours = board.finish()
    between = time.perf_counter()
    theirs = run_on_qemu(image, program)
    print(f"\n{program}: {between - start:.2f} s here, {time.perf_counter() - between:.2f} s on QEMU")
    assert ours == theirs
