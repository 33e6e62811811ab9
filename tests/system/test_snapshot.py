"""Snapshots and forks of whole machines: what goes on from a moment goes on as if nothing had been."""

import doctest
import multiprocessing
import random
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from hv import board
from hv.errors import ConfigError, ImageError
from hv.images import GUEST
from hv.machine import Machine
from hv.snapshot.reader import open_snapshot
from hv.snapshot.restore import restore
from hv.snapshot.writer import write_snapshot
from hv.stop import StopReason
from tests.harness.guest import Guest, booted, config, make_disk
from tests.harness.patience import PATIENCE_S
from tests.harness.terminal import thawvisor
from tests.system.hibernation import DISK, RAM_MIB, TARGET, TOUCH, working

PATIENCE_NS = 60_000_000_000


class Outcome(NamedTuple):
    """All that a machine is and did, in the end."""

    reason: StopReason
    ns: int
    ram: str
    state: dict[str, object]
    disks: tuple[str, ...]


def finish(machine: Machine) -> Outcome:
    """Run a machine to its end, or until only the host could wake it."""
    stop = machine.run(machine.now_ns + PATIENCE_NS)
    disks = tuple(disk.identify().sha256 for disk in machine.config.disks)
    return Outcome(stop.reason, stop.ns, machine.ram_sha256(), machine.save(), disks)


def finish_snapshot(snapshot: Path, disk: Path) -> Outcome:
    """Restore a snapshot over a copy of its disk, and run it to its end, in whatever process this is."""
    with open_snapshot(snapshot) as opened:
        config = opened.config
        disks = tuple(replace(old, path=disk) for old in config.disks)
        machine = restore(opened, replace(config, disks=disks))
    with machine:
        return finish(machine)


def check_moments(count: int, folder: Path) -> None:
    """Save a hibernation at random moments; each goes on in another process as the unsaved run did."""
    with working(make_disk(folder / "swap.img", DISK)) as guest:
        start = guest.machine.now_ns
        guest.type_last("hibernate", StopReason.POWEROFF)
        whole = finish(guest.machine)
    assert whole.reason is StopReason.POWEROFF
    moments = sorted(random.Random(count).sample(range(start, whole.ns), count))
    with working(make_disk(folder / "swap.img", DISK)) as guest:
        machine = guest.machine
        machine.uart.receive(b"hibernate\n")
        for number, moment in enumerate(moments):
            assert machine.run(moment).reason is StopReason.BUDGET
            write_snapshot(folder / f"{number}.snapshot", machine)
            shutil.copyfile(folder / "swap.img", folder / f"{number}.img")
        assert finish(machine) == whole
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as another:
        files = [(folder / f"{number}.snapshot", folder / f"{number}.img") for number in range(count)]
        for moment, outcome in zip(
            moments, another.map(finish_snapshot, *zip(*files, strict=True)), strict=True
        ):
            assert outcome == whole, f"saved at {moment} ns"


def test_a_hibernation_goes_on_in_another_process(tmp_path: Path) -> None:
    """Saved at four random moments: the same clock, RAM, registers, devices and disk in the end."""
    check_moments(4, tmp_path)


@pytest.mark.campaign
def test_a_hibernation_goes_on_from_anywhere(tmp_path: Path) -> None:
    """The same at 50 random moments."""
    check_moments(50, tmp_path)


def at_the_prompt(_guest: Guest) -> None:
    """Leave the guest idle."""


def inflated(guest: Guest) -> None:
    """Give the balloon all that the host wants."""
    guest.inflate(TARGET)


def inflating(guest: Guest) -> None:
    """Stop when the balloon has a part of what the host wants."""
    machine, balloon = guest.machine, guest.machine.balloon
    assert balloon is not None
    machine.set_balloon_target(TARGET)
    machine.run(machine.now_ns + PATIENCE_NS, until=lambda: balloon.ballooned.any())
    machine.run(machine.now_ns + 4000)
    assert 0 < balloon.ballooned.sum() < TARGET


def typed_ahead(guest: Guest) -> None:
    """Leave more input in the UART than its FIFO holds, some of it read."""
    guest.machine.uart.receive(b"touch 500\nverify\nrelease\nmem\n" * 10)
    guest.machine.run(guest.machine.now_ns + 5_000)
    assert guest.machine.save()["uart"]["backlog"]


def asleep(guest: Guest) -> None:
    """Wait until nothing but the time can wake the guest."""
    guest.machine.uart.receive(b"sleep 1000\nuptime\n")
    guest.machine.run(guest.machine.now_ns + 100_000_000)


def off(guest: Guest) -> None:
    """Switch the machine off."""
    guest.type_last("poweroff", StopReason.POWEROFF)


MOMENTS = [at_the_prompt, inflated, inflating, typed_ahead, asleep, off]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_three_ways_on(moment: Callable[[Guest], None], tmp_path: Path) -> None:
    """The machine, a fork of it and what is restored from a snapshot end alike; the snapshot is exact."""
    with booted(config(RAM_MIB)) as guest:
        guest.type(f"touch {TOUCH}")
        moment(guest)
        machine = guest.machine
        header = write_snapshot(tmp_path / "a.snapshot", machine)
        with open_snapshot(tmp_path / "a.snapshot") as opened, restore(opened) as restored:
            assert restored.save() == machine.save()
            assert restored.ram_sha256() == machine.ram_sha256()
            assert write_snapshot(tmp_path / "b.snapshot", restored) == header
            assert (tmp_path / "b.snapshot").read_bytes() == (tmp_path / "a.snapshot").read_bytes()
            with machine.fork() as fork:
                assert fork.ram_sha256() == machine.ram_sha256()
                assert finish(fork) == finish(restored) == finish(machine)


def test_forks_and_their_machine_do_not_share_a_future() -> None:
    """Forks of one moment go to targets of their own; the machine and the moment stay as they were."""
    with booted(config(RAM_MIB)) as guest:
        machine = guest.machine
        guest.type(f"touch {TOUCH}")
        moment, before = machine.freeze(), (machine.ram_sha256(), machine.save())
        for target in (100, 9000):
            with machine.fork(moment) as fork:
                other = Guest(fork)
                other.wait_for_prompt()
                other.inflate(target)
                other.type("release")
                assert other.type("balloon").number("num_pages") == target
        assert (machine.ram_sha256(), machine.save()) == before
        guest.inflate(2 * TARGET)
        with machine.fork(moment) as fork:
            assert (fork.ram_sha256(), fork.save()) == before
            assert Guest(fork).type("verify").number("bad_pages") == 0


def test_a_moment_belongs_to_its_machine(tmp_path: Path) -> None:
    """A machine with other RAM, disks or devices cannot be forked from it, and says so."""
    disk = make_disk(tmp_path / "disk.img", board.MIB)
    with Machine(config(32)) as machine:
        moment = machine.freeze()
    for other in (
        config(64),
        config(32, disk),
        replace(config(32), balloon=None),
        replace(config(32), balloon_slot=3),
        replace(config(32), legacy_virtio=True),
    ):
        with (
            Machine(other) as machine,
            pytest.raises(ConfigError, match="that moment is of a machine with other"),
        ):
            machine.fork(moment)


def test_forks_run_in_threads() -> None:
    """Four futures at once, each to its own target, end as they do one after the other."""
    with booted(config(RAM_MIB)) as guest:
        machine = guest.machine
        moment = machine.freeze()

        def future(target: int) -> Outcome:
            with machine.fork(moment) as fork:
                Guest(fork).inflate(target)
                return finish(fork)

        targets = [500, 3000, 6000, 9000]
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(future, targets)) == [future(target) for target in targets]


def test_a_fork_writes_to_a_disk_of_its_own(tmp_path: Path) -> None:
    """Two forks hibernate as their machine would have, and its disk knows nothing of it."""
    disk = make_disk(tmp_path / "swap.img", DISK)
    with working(disk) as guest:
        machine = guest.machine
        machine.uart.receive(b"hibernate\n")
        before, moment = sha256(disk.read_bytes()).digest(), machine.freeze()
        outcomes = []
        for _ in range(2):
            with machine.fork(moment) as fork:
                outcomes.append(finish(fork))
                with pytest.raises(ConfigError, match="in memory"):
                    write_snapshot(tmp_path / "fork.snapshot", fork)
        assert sha256(disk.read_bytes()).digest() == before
        assert outcomes == [finish(machine)] * 2
        assert sha256(disk.read_bytes()).digest() != before
        with machine.fork(moment) as fork:
            assert finish(fork) == outcomes[0], "the moment has the disk of then"


def test_a_rewound_fork_does_it_all_again(tmp_path: Path) -> None:
    """Balloon, memory, disk and clock are back each time, and what the fork wrote to takes no memory."""
    with working(make_disk(tmp_path / "swap.img", DISK)) as guest, guest.machine.fork() as fork:
        before = (fork.ram_sha256(), fork.save())
        outcomes = []
        for _ in range(3):
            shell = Guest(fork)
            shell.wait_for_prompt()
            shell.inflate(TARGET // 2)
            shell.type("touch 100")
            shell.type_last("hibernate", StopReason.POWEROFF)
            outcomes.append(finish(fork))
            assert fork.memory.resident_bytes() > TOUCH * board.PAGE_SIZE
            fork.rewind()
            assert fork.memory.resident_bytes() == 0
            assert (fork.ram_sha256(), fork.save()) == before
        assert outcomes == outcomes[:1] * 3
        with pytest.raises(ConfigError, match="only a fork"):
            guest.machine.rewind()


def test_a_disk_that_moved_on_is_refused(tmp_path: Path) -> None:
    """A snapshot goes on over its disk of then, wherever that lies now, and over no other."""
    disk, snapshot = make_disk(tmp_path / "swap.img", DISK), tmp_path / "a.snapshot"
    with working(disk) as guest:
        write_snapshot(snapshot, guest.machine)
        shutil.copyfile(disk, tmp_path / "kept.img")
        guest.type_last("hibernate", StopReason.POWEROFF)
    done = thawvisor("restore", snapshot)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "contents of disk 0" in done.err
    done = thawvisor("restore", snapshot, "--disk", tmp_path / "kept.img")
    assert done.status == 0
    assert f"balloon: target {TARGET} pages, {TARGET} in it" in done.out


def test_the_command_line_makes_lists_inspects_and_resumes(tmp_path: Path) -> None:
    """From `create --at`, in the middle of an inflation, to the prompt of the resumed guest."""
    snapshot, junk = tmp_path / "a.snapshot", tmp_path / "junk"
    making = ("snapshot", "create", snapshot, "-m", "64M", "--balloon", "40M", "--at", "700000")
    assert thawvisor(*making).status == 0
    junk.write_bytes(snapshot.read_bytes()[:-1])
    listed = thawvisor("snapshot", "list", tmp_path)
    assert "a.snapshot" in listed.out
    assert "junk" not in listed.out
    assert f"snapshot {junk}: truncated" in listed.err
    inspected = dict(
        line.split(maxsplit=1) for line in thawvisor("snapshot", "inspect", snapshot).out.splitlines()
    )
    assert 700_000 <= int(inspected["virtual_ns"]) < 701_000
    assert 0 < int(inspected["pages_ballooned"]) < 40 * board.MIB // board.PAGE_SIZE
    resumed = thawvisor("restore", snapshot, "--resume", typed="balloon\npoweroff\n")
    assert resumed.status == 0
    assert "num_pages 10240" in resumed.out


def test_a_debugger_opens_it(tmp_path: Path) -> None:
    """gdb reads registers, a backtrace through the kernel, and memory by virtual and physical address."""
    gdb = shutil.which("gdb-multiarch")
    if gdb is None:
        pytest.skip("gdb-multiarch is not installed (Debian: apt install gdb-multiarch)")
    snapshot = tmp_path / "a.snapshot"
    with booted(config(RAM_MIB)) as guest:
        inflating(guest)
        write_snapshot(snapshot, guest.machine)
        pc, sp = guest.machine.hart.pc, guest.machine.hart.x(2)
        code = int.from_bytes(guest.machine.memory.read(board.KERNEL_BASE, 4), "little")
    asked = ("p/x $pc", "p/x $sp", "bt", f"x/1xw {board.KERNEL_BASE:#x}", "x/1xw &_start")
    commands = [part for question in asked for part in ("-ex", question)]
    done = subprocess.run(
        [gdb, "-batch", "-nx", "-ex", "set width 0", *commands, GUEST, snapshot],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    assert f"$1 = {pc:#x}" in done.stdout
    assert f"$2 = {sp:#x}" in done.stdout
    assert "fill_balloon" in done.stdout
    assert done.stdout.count(f"{code:#010x}") == 2


@pytest.mark.parametrize("part", ["bios", "kernel"])
def test_another_image_is_refused(part: str, tmp_path: Path) -> None:
    """A restored guest would run on in code that its next reset does not bring back."""
    with booted(config(RAM_MIB)) as guest:
        write_snapshot(tmp_path / "a.snapshot", guest.machine)
    with open_snapshot(tmp_path / "a.snapshot") as opened:
        other = tmp_path / "other.elf"
        other.write_bytes(getattr(opened.config, part).read_bytes() + b"\0")
        with pytest.raises(ImageError, match=f"give the same -{part}"):
            restore(opened, replace(opened.config, **{part: other}))


def test_the_python_in_the_documentation_runs() -> None:
    """What docs/snapshot.md shows is what happens."""
    document = Path(__file__).resolve().parents[2] / "docs" / "snapshot.md"
    failed, tried = doctest.testfile(str(document), module_relative=False)
    assert tried > 0
    assert failed == 0
