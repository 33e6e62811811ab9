"""Moments: a guest at its prompt is forked, taken back, kept in a file and made again from it.

Each fork, and each way back, has the guest inflate its balloon to a target of its own, so that there is
something to go back from and code to run; only the forks' figure includes that run. QEMU has no forks; going
back is its `loadvm`, into a machine that runs already, writing is `savevm`, restoring is starting a process
and `loadvm`. Both keep their snapshots on the same file system, and the guest has no disk.
"""

import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from bench.contest import HERE, QEMU, Above, Contest, Figures, Quantity, with_qemu
from hv import board
from hv.images import FIRMWARE, GUEST
from hv.snapshot.reader import open_snapshot
from hv.snapshot.restore import restore
from hv.snapshot.writer import write_snapshot
from tests.harness.guest import Guest, booted, config
from tests.harness.qemu import Qemu

RAM_MIB = 128
FORKS = 50
BACK = 10
STEP_PAGES = 200
"""Fork number n goes to a balloon of n times so many pages."""

FORK = "forks, each run to its own balloon target"
GO_BACK = "take a running guest back to a moment"
WRITE = "write a snapshot"
RESTORE = "make a machine from a snapshot"

_NODE = "snapshots"


def contest(scratch: Path) -> Contest:
    """Return the contest; snapshots go to `scratch`. QEMU takes part if `qemu-img` can make a qcow2 file."""
    has_qcow2 = shutil.which("qemu-img") is not None
    return Contest(
        title=f"Snapshots: guest of {RAM_MIB} MiB at its prompt",
        quantities=(
            Quantity(FORK, "forks/s", more_is_better=True, floor=Above(100)),
            Quantity(GO_BACK, "ms"),
            Quantity(WRITE, "ms"),
            Quantity(RESTORE, "ms"),
        ),
        contestants={
            HERE: partial(_here, scratch / "guest.snapshot"),
            QEMU: with_qemu(partial(_on_qemu, scratch / "guest.qcow2")) if has_qcow2 else None,
        },
        rounds=7,
    )


def _here(file: Path) -> Figures:
    with booted(config(RAM_MIB)) as guest:
        machine = guest.machine
        moment = machine.freeze()
        start = time.perf_counter()
        for number in range(FORKS):
            with machine.fork(moment) as fork:
                Guest(fork).inflate(number * STEP_PAGES)
        forked = time.perf_counter()
        back = 0.0
        with machine.fork(moment) as fork:
            for number in range(BACK):
                Guest(fork).inflate((number + 1) * STEP_PAGES)
                before = time.perf_counter()
                fork.rewind()
                back += time.perf_counter() - before
        writing = time.perf_counter()
        write_snapshot(file, machine)
        written = time.perf_counter()
    restoring = time.perf_counter()
    with open_snapshot(file) as snapshot, restore(snapshot) as machine:
        restored = time.perf_counter()
        Guest(machine).type("mem")
    return {
        FORK: FORKS / (forked - start),
        GO_BACK: 1e3 * back / BACK,
        WRITE: 1e3 * (written - writing),
        RESTORE: 1e3 * (restored - restoring),
    }


def _on_qemu(file: Path) -> Figures:
    file.unlink(missing_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, "1G"], check=True)
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB) as qemu:
        qemu.console.wait_for_prompt()
        _attach(qemu, file)
        written = _snapshot(qemu, "savevm")
        back = 0.0
        for number in range(BACK):
            qemu.set_balloon((number + 1) * STEP_PAGES)
            qemu.wait_balloon((number + 1) * STEP_PAGES)
            back += _snapshot(qemu, "loadvm")
    restoring = time.perf_counter()
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB, paused=True) as qemu:
        _attach(qemu, file)
        _snapshot(qemu, "loadvm")
        restored = time.perf_counter()
        qemu.qmp.execute("cont")
        qemu.console.shell("mem")
    return {GO_BACK: 1e3 * back / BACK, WRITE: 1e3 * written, RESTORE: 1e3 * (restored - restoring)}


def _attach(qemu: Qemu, file: Path) -> None:
    """Give QEMU the file for its snapshots; the guest has no device over it."""
    protocol = {"driver": "file", "filename": str(file)}
    qemu.qmp.execute("blockdev-add", driver="qcow2", node_name=_NODE, file=protocol)


def _snapshot(qemu: Qemu, verb: str) -> float:
    """Write or load the snapshot; return the seconds that it took."""
    start = time.perf_counter()
    said = qemu.qmp.execute("human-monitor-command", command_line=f"{verb} moment")
    done = time.perf_counter()
    if said:
        raise RuntimeError(f"{verb}: {said}")
    return done - start
