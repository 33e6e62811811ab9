"""A soak of Linux: memory under pressure, a balloon that never rests, a disk, and a snapshot every minute.

The guest of 256 MiB keeps 96 MiB of checksummed files in a tmpfs, swaps, and writes and verifies blocks of a
raw disk (`programs/soak`). The host moves the balloon's target every two seconds, and at every full minute it
asks for the guest's counts, keeps the machine in a file, throws it away, and goes on with what the file gives
back. All times are virtual. A second run does without the files: if it ends at the same time with the same
RAM and the same disks, nothing was lost in any of them, and the soak is a function of its seed.

`python -m tests.system.soak --minutes 30` is the long run; the campaign does a short one.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hv import board
from hv.config import Disk, MachineConfig
from hv.linux import cpio
from hv.linux.kit import Kit, default_folder, ensure
from hv.machine import Machine
from hv.shell import GuestShell, Reply
from hv.snapshot.reader import open_snapshot
from hv.snapshot.restore import restore
from hv.snapshot.writer import write_snapshot
from hv.stop import StopReason

RAM_MIB = 256
SWAP_MIB = 512
DISK_MIB = 16
MINUTE_NS = 60 * 10**9
MOVE_NS = 2 * 10**9
TARGET_MAX = RAM_MIB * 256 * 45 // 100
PROGRAM = Path(__file__).parent / "programs" / "soak"


class Minute(NamedTuple):
    """What the soak has come to at the end of a minute.

    Attributes:
        ns: virtual time.
        ram: SHA-256 of guest RAM.
        verified: files and blocks that had the right checksum.
        bad: those that had not.
        inflated: pages that went into the balloon, each time counted.
        swapped: pages swapped in and out.
    """

    ns: int
    ram: str
    verified: int
    bad: int
    inflated: int
    swapped: int

    def __str__(self) -> str:
        return (
            f"{self.verified} verified, {self.bad} bad, {self.inflated} pages inflated,"
            f" {self.swapped} swapped, {self.ns} ns, RAM {self.ram[:16]}"
        )


class Outcome(NamedTuple):
    """Minutes, and the digests of the disks in the end."""

    minutes: list[Minute]
    disks: tuple[str, ...]


def soak(
    folder: Path, kit: Kit, minutes: int, seed: int, tell: Callable[[str], None], *, snapshots: bool
) -> Outcome:
    """Run the soak.

    Args:
        folder: an empty place for disks and snapshots.
        kit: the Linux.
        minutes: virtual ones, after the boot's own.
        seed: of everything random.
        tell: gets a line a minute.
        snapshots: whether the machine goes through a file at every minute.

    Raises:
        AssertionError: the guest died, or no longer answers.
    """
    machine = _boot(folder, kit, seed)
    done: list[Minute] = []
    try:
        for number in range(1, minutes + 1):
            _play(machine, number, seed)
            done.append(_take(machine))
            tell(f"minute {number}: {done[-1]}")
            if snapshots:
                machine = _through_a_file(machine, folder / "soak.snapshot")
        return Outcome(done, tuple(disk.identify().sha256 for disk in machine.config.disks))
    finally:
        machine.close()


def _boot(folder: Path, kit: Kit, seed: int) -> Machine:
    initrd = folder / "initrd.cpio"
    program = cpio.archive([cpio.file("bin/soak", PROGRAM.read_bytes(), executable=True)])
    initrd.write_bytes(kit.initrd.read_bytes() + program)
    disks = []
    for name, mib in (("swap.img", SWAP_MIB), ("data.img", DISK_MIB)):
        with (folder / name).open("wb") as file:
            file.truncate(mib * board.MIB)
        disks.append(Disk(folder / name))
    machine = Machine(
        MachineConfig(
            ram=RAM_MIB * board.MIB,
            kernel=kit.kernel,
            initrd=initrd,
            disks=tuple(disks),
            virtio_console=True,
            rng_seed=seed,
        )
    )
    shell = GuestShell(machine, machine.channel)
    shell.wait_for_prompt()
    _succeed(shell.command("mkswap /dev/vda && swapon /dev/vda"))
    _succeed(shell.command(f"soak {seed} </dev/null >/dev/null 2>/tmp/soak.errors &"))
    return machine


def _play(machine: Machine, minute: int, seed: int) -> None:
    """Go on to the end of a minute, the balloon's target in motion."""
    end = minute * MINUTE_NS
    for ns in range(max(end - MINUTE_NS, machine.now_ns) // MOVE_NS * MOVE_NS, end, MOVE_NS):
        if ns >= machine.now_ns:
            pages = random.Random(f"{seed} {ns}").randrange(TARGET_MAX)
            machine.at(ns, partial(machine.set_balloon_target, pages))
    stop = machine.run(end)
    assert stop.reason is StopReason.BUDGET, f"the guest stopped: {stop}"


def _take(machine: Machine) -> Minute:
    shell = GuestShell(machine, machine.channel)
    counts = _succeed(shell.command("cat /tmp/soak /tmp/soak.errors; grep -E 'pswp(in|out)' /proc/vmstat"))
    errors = [line for line in counts.lines if len(line.split()) != 2]
    assert not errors, f"the guest's program complains: {errors}"
    return Minute(
        machine.now_ns,
        machine.ram_sha256(),
        counts.number("memory_ok") + counts.number("blocks_ok"),
        counts.number("memory_bad") + counts.number("blocks_bad"),
        machine.balloon.counters.inflated_pages if machine.balloon else 0,
        counts.number("pswpin") + counts.number("pswpout"),
    )


def _through_a_file(machine: Machine, path: Path) -> Machine:
    """Keep a machine in a file, end it, and return what the file gives back."""
    write_snapshot(path, machine)
    machine.close()
    with open_snapshot(path) as opened:
        return restore(opened)


def _succeed(reply: Reply) -> Reply:
    assert reply.stop.reason is StopReason.CONDITION, f"`{reply.command}` was not answered: {reply.stop}"
    assert not reply.status, f"`{reply.command}` failed: {reply.lines}"
    return reply


def compare(
    kit: Kit, minutes: int, seed: int, tell: Callable[[str], None] = lambda _line: None
) -> tuple[Outcome, Outcome]:
    """Soak with snapshots and without, and return both outcomes; `tell` gets a line a minute."""
    outcomes = []
    for snapshots in (True, False):
        with tempfile.TemporaryDirectory(prefix="thawvisor-soak-") as folder:
            outcomes.append(soak(Path(folder), kit, minutes, seed, tell, snapshots=snapshots))
    return outcomes[0], outcomes[1]


def main() -> int:
    """Run the soak as a command; status 1 when anything was lost."""
    parser = argparse.ArgumentParser(description="Soak Linux, twice, and compare.")
    parser.add_argument("--minutes", type=int, default=30, help="virtual minutes (default: 30)")
    parser.add_argument("--seed", type=int, default=1, help="of targets, files and blocks (default: 1)")
    given = parser.parse_args()
    first, second = compare(ensure(default_folder()), given.minutes, given.seed, partial(print, flush=True))
    print("the same without snapshots" if first == second else "NOT the same without snapshots")
    return int(first != second or any(minute.bad for minute in first.minutes))


if __name__ == "__main__":
    sys.exit(main())
