"""Guest code that computes: our programs (`bench/programs`), in S-mode under Sv39, here and on QEMU.

The programs run one after the other in one guest, which prints a line when each is done; the figures are the
times between two lines.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.contest import HERE, QEMU, Contest, Figures, Quantity, with_qemu
from hv import board
from hv.config import MachineConfig
from hv.images import FIRMWARE
from hv.images.build import Image, build
from hv.machine import Machine
from hv.stop import StopReason
from tests.harness.qemu import Qemu

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Image("bench/programs", "program.ld", "programs.elf")
RAM = 64 * board.MIB
PATIENCE_NS = 100_000_000_000
"""Virtual time that a program may take."""

QUANTITIES = {
    "alu": "arithmetic in short blocks",
    "memory": "loads and stores",
    "calls": "calls and returns",
    "mixed": "sort and checksum",
}
"""The programs, in their order, and what each is."""


def contest(scratch: Path) -> Contest:
    """Compile the programs into `scratch`; return the contest."""
    program = scratch / PROGRAMS.output
    build(PROGRAMS, ROOT, program, ROOT / ".zig-cache")
    results: dict[str, str] = {}
    on_qemu = partial(_on_qemu, program, results)
    return Contest(
        title="Guest code: bench/programs in S-mode under Sv39",
        quantities=tuple(Quantity(name, "ms") for name in QUANTITIES.values()),
        contestants={
            HERE: partial(_here, program, results),
            QEMU: with_qemu(partial(on_qemu, None)),
            "QEMU -icount shift=0": with_qemu(partial(on_qemu, "shift=0")),
        },
        rounds=5,
    )


def _here(program: Path, results: dict[str, str]) -> Figures:
    config = MachineConfig(ram=RAM, kernel=program, balloon=None)
    with Machine(config) as machine:
        console = machine.console

        def wait(pattern: str) -> str:
            console.watch(pattern)
            stop = machine.run(machine.now_ns + PATIENCE_NS, until=lambda: console.match is not None)
            if stop.reason is not StopReason.CONDITION or console.match is None:
                raise RuntimeError(f"no line {pattern!r}: {stop}\n{console.text()}")
            return console.match[1]

        return _times(wait, results)


def _on_qemu(program: Path, results: dict[str, str], icount: str | None) -> Figures:
    with Qemu(FIRMWARE, program, RAM, balloon=False, icount=icount) as qemu:
        return _times(lambda pattern: qemu.console.expect(pattern)[1], results)


def _times(wait: Callable[[str], str], results: dict[str, str]) -> Figures:
    """Take the time of each program.

    Args:
        wait: runs the machine until a line matches; returns the pattern's group.
        results: what each program computed elsewhere; every machine must compute the same.
    """
    figures = {}
    wait(r"start ([0-9a-f]{16})\.")
    start = time.perf_counter()
    for name, quantity in QUANTITIES.items():
        result = wait(rf"{name} ([0-9a-f]{{16}})\.")
        done = time.perf_counter()
        figures[quantity] = 1e3 * (done - start)
        start = done
        if result != results.setdefault(name, result):
            raise RuntimeError(f"`{name}` computed {result} here and {results[name]} there")
    return figures
