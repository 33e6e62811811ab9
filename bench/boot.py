"""From power-on to the guest's prompt: the same firmware and guest here and on QEMU."""

import time
from pathlib import Path

from bench.contest import HERE, QEMU, AtLeast, Contest, Figures, Quantity, with_qemu
from bench.peers import seconds_to_prompt
from hv import board
from hv.images import FIRMWARE, GUEST
from hv.machine import Machine
from tests.harness.guest import Guest, config
from tests.harness.qemu import Qemu

RAM_MIB = 128

FROM_INSTRUCTION = "first instruction to prompt"
FROM_MACHINE = "making the machine to prompt"
FROM_PROCESS = "starting the process to prompt"

_PROMPT = b"thaw:0> "


def contest(_scratch: Path) -> Contest:
    """Return the contest. QEMU makes its machine by starting its process, so two of its figures are one."""
    _here()  # what a process does once in its life is in the last line only
    return Contest(
        title=f"Boot: guest of {RAM_MIB} MiB",
        quantities=(
            Quantity(FROM_INSTRUCTION, "ms"),
            Quantity(FROM_MACHINE, "ms", floor=AtLeast(1)),
            Quantity(FROM_PROCESS, "ms"),
        ),
        contestants={HERE: _here, QEMU: with_qemu(_on_qemu)},
        rounds=11,
    )


def _here() -> dict[str, float]:
    start = time.perf_counter()
    with Machine(config(RAM_MIB)) as machine:
        made = time.perf_counter()
        Guest(machine).boot()
        prompt = time.perf_counter()
    process = seconds_to_prompt(_PROMPT, "-m", f"{RAM_MIB}M")
    return {
        FROM_INSTRUCTION: 1e3 * (prompt - made),
        FROM_MACHINE: 1e3 * (prompt - start),
        FROM_PROCESS: 1e3 * process,
    }


def _on_qemu() -> Figures:
    start = time.perf_counter()
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB) as qemu:
        qemu.console.wait_for_prompt()
        whole = time.perf_counter() - start
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB, paused=True) as qemu:
        start = time.perf_counter()
        qemu.qmp.execute("cont")
        qemu.console.wait_for_prompt()
        guest = time.perf_counter() - start
    return {FROM_INSTRUCTION: 1e3 * guest, FROM_MACHINE: 1e3 * whole, FROM_PROCESS: 1e3 * whole}
