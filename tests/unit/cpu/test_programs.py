"""Guest programs against golden lines, which are QEMU's."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.patience import PATIENCE_S
from tests.harness.qemu_process import find_qemu
from tests.unit.cpu.board import Board, Image

GOLDEN = Path(__file__).parent / "golden"
PROGRAMS = ("traps", "mmu", "fences", "interrupts", "aliases")


def golden(program: str) -> str:
    """Return what the program must print."""
    return (GOLDEN / f"{program}.txt").read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_guest_sees_what_the_golden_lines_say(boot: Callable[[str], Board], program: str) -> None:
    """Traps, address translation, fences, interrupts and changing code look to a guest as on QEMU."""
    assert boot(program).finish() == golden(program)


@pytest.mark.peers
@pytest.mark.parametrize("program", PROGRAMS)
def test_qemu_says_the_golden_lines(image: Image, program: str) -> None:
    """The golden lines are what QEMU prints for the same ELF."""
    assert run_on_qemu(image, program) == golden(program)


def run_on_qemu(image: Image, program: str) -> str:
    """Run a program on QEMU; return what it printed."""
    select = f"loader,addr={image.symbols['selected_program']},data={image.symbols[program]},data-len=8"
    machine = ["-machine", "virt", "-m", "8M", "-display", "none", "-serial", "stdio"]
    command = [find_qemu(), *machine, "-bios", "none", "-kernel", str(image.path), "-device", select]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=True, text=True
    )
    return done.stdout


def test_pending_interrupts_are_taken_in_the_order_of_the_specification(boot: Callable[[str], Board]) -> None:
    """External goes before software before timer, in each mode, not the lowest number first."""
    taken = [
        int(line.removeprefix("taken = "), 16) & 0xFF for line in boot("priorities").finish().splitlines()
    ]
    assert taken == [9, 1, 5, 3, 7, 9, 1, 5]
