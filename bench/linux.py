"""Debian's Linux: to its shell, its balloon driver, and its hibernation, the same images here and on QEMU."""

import time
from pathlib import Path

from bench import linux_s4
from bench.contest import HERE, QEMU, AtLeast, Contest, Figures, Quantity, with_qemu
from bench.peers import balloon_rates, seconds_to_prompt
from hv import board
from hv.config import MachineConfig
from hv.images import FIRMWARE
from hv.linux.kit import Kit, default_folder, ensure
from hv.machine import Machine
from hv.shell import PATIENCE_NS
from tests.harness.qemu import Qemu

RAM_MIB = 512
BALLOON_PAGES = 65536

ICOUNT = "QEMU -icount shift=0"
FROM_MACHINE = "machine to shell"
FROM_PROCESS = "process to shell"
INFLATE = "inflate"
DEFLATE = "deflate"

_PROMPT = "~ # "
_TARGETS = {INFLATE: BALLOON_PAGES, DEFLATE: 0}


def contest(scratch: Path) -> Contest:
    """Return the contest; the kit is made if it is not there, and disks go to `scratch`."""
    kit = ensure(default_folder())
    disk = scratch / "swap.img"
    _here(kit)  # what a process does once in its life is in the second line only
    return Contest(
        title=f"Linux: a guest of {RAM_MIB} MiB, a balloon of {BALLOON_PAGES:,} pages",
        quantities=(
            Quantity(FROM_MACHINE, "s", floor=AtLeast(1 / 1.05)),
            Quantity(FROM_PROCESS, "s", floor=AtLeast(1, ICOUNT)),
            Quantity(INFLATE, "pages/s", more_is_better=True, floor=AtLeast(1)),
            Quantity(DEFLATE, "pages/s", more_is_better=True, floor=AtLeast(1)),
            Quantity(linux_s4.SLEEP, "s", floor=AtLeast(1)),
            Quantity(linux_s4.WAKE, "s", floor=AtLeast(1)),
            Quantity(linux_s4.WAKE_PROCESS, "s", floor=AtLeast(1)),
        ),
        contestants={
            HERE: lambda: {**_here(kit), FROM_PROCESS: _from_process(kit), **linux_s4.here(kit, disk)},
            QEMU: with_qemu(lambda: {**_on_qemu(kit, None), **linux_s4.on_qemu(kit, disk)}),
            ICOUNT: with_qemu(lambda: _on_qemu(kit, "shift=0")),
        },
        rounds=5,
    )


def _here(kit: Kit) -> dict[str, float]:
    start = time.perf_counter()
    config = MachineConfig(ram=RAM_MIB * board.MIB, kernel=kit.kernel, initrd=kit.initrd)
    with Machine(config) as machine:
        console, balloon = machine.console, machine.balloon
        assert balloon is not None
        console.watch(_PROMPT)
        machine.run(PATIENCE_NS, until=lambda: console.match is not None)
        figures = {FROM_MACHINE: time.perf_counter() - start}
        for name, target in _TARGETS.items():
            start = time.perf_counter()
            machine.set_balloon_target(target)
            machine.run(
                machine.now_ns + PATIENCE_NS, until=lambda: balloon.actual_pages == balloon.target_pages
            )
            figures[name] = BALLOON_PAGES / (time.perf_counter() - start)
    return figures


def _from_process(kit: Kit) -> float:
    options = ("-m", f"{RAM_MIB}M", "-kernel", kit.kernel, "-initrd", kit.initrd)
    return seconds_to_prompt(_PROMPT.encode(), *options)


def _on_qemu(kit: Kit, icount: str | None) -> Figures:
    start = time.perf_counter()
    with Qemu(FIRMWARE, kit.kernel, RAM_MIB * board.MIB, initrd=kit.initrd, icount=icount) as qemu:
        qemu.console.expect(_PROMPT)
        figures = dict.fromkeys((FROM_MACHINE, FROM_PROCESS), time.perf_counter() - start)
        return figures | balloon_rates(qemu, _TARGETS, BALLOON_PAGES)
