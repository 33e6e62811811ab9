"""The machine: how runs end, what a configuration may be, and that nothing a guest does is an exception."""

import gc
import hashlib
import os
import re
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hv import board, images
from hv.config import Disk, MachineConfig
from hv.errors import ConfigError
from hv.images.build import Image, build
from hv.machine import Machine
from hv.report import describe
from hv.stop import Stop, StopReason
from hv.symbols import Symbols
from tests.harness.elf import Load, make_elf
from tests.harness.guest import Guest, booted, config, make_disk

MS = 1_000_000
ROOT = Path(__file__).resolve().parents[3]
BARE = MachineConfig(ram=board.RAM_MIN, balloon=None)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> MachineConfig:
    """A machine whose firmware is the programs of `programs/`, and whose kernel does nothing."""
    folder = tmp_path_factory.mktemp("programs")
    image = Image("tests/unit/hv/programs", "programs.ld", "programs.elf")
    build(image, ROOT, folder / image.output, ROOT / ".zig-cache")
    kernel = folder / "kernel.elf"
    kernel.write_bytes(make_elf(Load(bytes(8), board.KERNEL_BASE), entry=board.KERNEL_BASE))
    return replace(BARE, bios=folder / image.output, kernel=kernel)


@contextmanager
def at(machine_config: MachineConfig, program: str) -> Iterator[Machine]:
    """Make a machine that is about to run one of the programs."""
    address = Symbols((machine_config.bios,)).address(program)
    assert address is not None
    with Machine(machine_config) as machine:
        machine.hart.pc = address
        yield machine


@pytest.mark.parametrize(
    ("program", "reason", "says"),
    [
        ("poweroff", StopReason.POWEROFF, ""),
        ("reset", StopReason.RESET, ""),
        ("hibernate", StopReason.HIBERNATE, ""),
        ("fail", StopReason.GUEST_FAULT, "the guest reported failure 42"),
        ("deadlock", StopReason.IDLE, ""),
        ("busy", StopReason.BUDGET, ""),
        (
            "jump_to_nowhere",
            StopReason.GUEST_FAULT,
            "instruction access fault at pc 0x40000100 .* cannot be handled: "
            "its handler dies of instruction access fault at pc 0x40000000 .*",
        ),
        (
            "trap_in_the_handler",
            StopReason.GUEST_FAULT,
            "illegal instruction at pc (0x8[0-9a-f]+) .* handler dies of illegal instruction at pc \\1 .*",
        ),
        (
            "supervisor_without_a_handler",
            StopReason.GUEST_FAULT,
            "illegal instruction at pc 0x8[0-9a-f]+ .* dies of instruction access fault at pc 0x40000000 .*",
        ),
    ],
)
def test_how_a_run_ends(programs: MachineConfig, program: str, reason: StopReason, says: str) -> None:
    """Every ending has its reason and, where a guest died, its words; asked again, it is the same."""
    with at(programs, program) as machine:
        stop = machine.run(MS)
        assert stop.reason is reason
        assert re.fullmatch(says, stop.detail)
        assert stop.ns == machine.now_ns <= MS
        report = describe(machine, stop).splitlines()
        assert report[0].startswith(f"{reason.name} at ")
        assert (len(report) > 1) == (reason is StopReason.GUEST_FAULT)
        assert machine.run(MS).reason is reason


def test_a_dead_guests_report(programs: MachineConfig) -> None:
    """The report of a guest that died names registers and the function that it died in."""
    with at(programs, "trap_in_the_handler") as machine:
        report = describe(machine, machine.run(MS))
    assert re.search(r"^ +pc 00000000800[0-9a-f]{5} .* ra 0{16}", report, re.MULTILINE)
    assert " mcause 0000000000000002 " in report
    assert re.search(r"^Call trace:\n \[<[0-9a-f]{16}>\] trap_in_the_handler\+", report, re.MULTILINE)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 31), st.integers(0, 2**64 - 1)), max_size=8),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 8 << 60]),
    st.integers(0, 2**44 - 1),
)
def test_no_report_fails(
    programs: MachineConfig, registers: list[tuple[int, int]], pc: int, mode: int, root: int
) -> None:
    """Whatever a dead guest left in its registers, its report is made of it."""
    with Machine(programs) as machine:
        for index, value in registers:
            machine.hart.set_x(index, value)
        machine.hart.write_csr("satp", mode | root)
        machine.hart.pc = pc
        report = describe(machine, Stop(StopReason.GUEST_FAULT, 0, "for a test"))
    assert report.startswith("GUEST_FAULT at 0.000000 ms of virtual time: for a test\n")
    assert f"[<{pc:016x}>]" in report


def test_a_condition_holds(programs: MachineConfig) -> None:
    """A condition is looked at before the first instruction, and again when a watched line comes."""
    with at(programs, "say_ok") as machine:
        assert machine.run(MS, until=lambda: True) == Stop(StopReason.CONDITION, 0)
        machine.console.watch("ok$")
        stop = machine.run(MS, until=lambda: machine.console.match is not None)
        assert stop.reason is StopReason.CONDITION
        assert 0 < stop.ns < MS
        assert machine.run(MS).reason is StopReason.BUDGET
        assert machine.console.text() == "ok"


def test_an_alarm_is_no_deadlock(programs: MachineConfig) -> None:
    """A guest that waits for the RTC is not idle: its time passes up to the budget, then up to the alarm."""
    with at(programs, "alarm") as machine:
        assert machine.run(20 * MS) == Stop(StopReason.BUDGET, 20 * MS)
        stop = machine.run(200 * MS)
        assert stop.reason is StopReason.POWEROFF
        assert 50 * MS <= stop.ns < 51 * MS


def test_what_the_host_does_at_a_time(programs: MachineConfig) -> None:
    """Actions happen in the order of their times, each at its own, whether the guest works or waits."""
    for program in ("busy", "deadlock"):
        with at(programs, program) as machine:
            done: list[tuple[int, int]] = []
            for ns in (3 * MS, MS, 2 * MS, 9 * MS):
                machine.at(ns, lambda ns=ns, done=done: done.append((ns, machine.now_ns)))  # type: ignore[misc]
            machine.run(5 * MS)
            assert [ns for ns, _ in done] == [MS, 2 * MS, 3 * MS]
            assert all(ns <= now < ns + 1000 for ns, now in done)


def test_a_platform_that_keeps_no_ram(programs: MachineConfig) -> None:
    """Where the tree offers no platform sleep, a write to its register is nothing."""
    with at(replace(programs, platform_sleep=False), "hibernate") as machine:
        assert machine.run(MS).reason is StopReason.BUDGET


def test_a_breakpoint_on_a_kernel_function() -> None:
    """The machine stops at each call of a kernel function, says where, and goes on as if nothing had been."""
    with booted(config(32)) as guest:
        machine = guest.machine
        symbols = Symbols((images.GUEST,))
        shell_run = next(
            address
            for address in range(0xFFFF_FFC0_8020_0000, 0xFFFF_FFC0_8030_0000, 2)
            if str(symbols.function(address)).startswith("shell_run+0x0/")
        )
        machine.hart.add_breakpoint(shell_run)
        for line in ("uptime", "mem"):
            machine.uart.receive(line.encode() + b"\n")
            stop = machine.run(machine.now_ns + 100 * MS)
            assert stop.reason is StopReason.BREAK
            assert machine.hart.pc == shell_run
            assert describe(machine, stop) == f"BREAK at {stop.ns / 1e6:.6f} ms of virtual time"
            assert guest.wait_for_prompt(fresh=True).reason is StopReason.CONDITION
        machine.hart.remove_breakpoint(shell_run)
        guest.type("mem")


@pytest.mark.parametrize("ram", [32 * board.MIB, 33_000 << 10, 8 * board.GIB])
def test_ram_of_any_size(ram: int) -> None:
    """The smallest, an odd and the largest RAM boot, the guest manages nearly all of it, at little cost."""
    with booted(MachineConfig(ram=ram)) as guest:
        managed = guest.type("mem").number("totalram_pages")
        assert 0.9 * ram < managed * board.PAGE_SIZE < ram
        assert guest.machine.memory.resident_bytes() < 4 * board.MIB + ram / 64


def test_the_hash_of_ram() -> None:
    """It is SHA-256 of all of RAM, holes and all, and costs the host no memory."""
    with booted(config(64)) as guest:
        memory = guest.machine.memory
        resident = memory.resident_bytes()
        digest = guest.machine.ram_sha256()
        assert memory.resident_bytes() == resident
        assert digest == hashlib.sha256(memory.ram.data).hexdigest()


def test_eight_disks(tmp_path: Path) -> None:
    """Every slot can hold a disk; with a balloon there is room for seven."""
    disks = tuple(Disk(make_disk(tmp_path / f"disk{n}", (n + 1) * 512)) for n in range(8))
    with booted(replace(BARE, disks=disks)) as guest:
        text = guest.machine.console.text()
        for n in range(8):
            assert f"[vd{'abcdefgh'[n]}] {n + 1} 512-byte logical blocks, serial thaw-{n}" in text
    with pytest.raises(
        ConfigError, match=r"no virtio-mmio slot is left for disk .*/disk7: the board has eight"
    ):
        Machine(replace(BARE, disks=disks, balloon=0))
    with pytest.raises(ConfigError, match="no virtio-mmio slot is left for virtio-rng: the board has eight"):
        Machine(replace(BARE, disks=disks[:6], balloon=0, virtio_console=True, rng_seed=1))
    with booted(replace(BARE, disks=disks[:7], balloon=0, balloon_slot=7)):
        pass  # the eight that failed have let go of their disks


def test_targets_that_cannot_be() -> None:
    """A balloon target is at most all of RAM, and needs a balloon; a refused one changes nothing."""
    with Machine(BARE) as machine, pytest.raises(ConfigError, match="this machine has no balloon device"):
        machine.set_balloon_target(0)
    pages = board.RAM_MIN // board.PAGE_SIZE
    with Machine(replace(BARE, balloon=pages)) as machine:
        assert machine.balloon is not None
        for target in (-1, pages + 1):
            with pytest.raises(ConfigError, match=f"a balloon of {target} pages: RAM has {pages}"):
                machine.set_balloon_target(target)
        assert machine.balloon.target_pages == pages


class TestSignals:
    """What a signal's handler raises comes out of `run`, wherever the signal came."""

    def test_while_the_guests_code_calls_a_device(self) -> None:
        """A signal in the middle of the guest's store is raised when the guest stands still, and not lost."""
        with Machine(BARE) as machine:
            before = signal.getsignal(signal.SIGINT)
            machine.console.sink = lambda _data: signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                machine.run(100 * MS)
            assert machine.console.text() != ""
            machine.console.sink = None
            assert signal.getsignal(signal.SIGINT) is before
            Guest(machine).boot()

    def test_while_the_guest_is_busy(self, programs: MachineConfig) -> None:
        """A guest that never stops is ended by a signal long before its budget is."""
        with at(programs, "busy") as machine:
            timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                machine.run(10**15)
            timer.join()
            assert machine.now_ns < 10**15

    def test_what_is_not_ours_to_handle(self, programs: MachineConfig) -> None:
        """Signals that are ignored stay so; other threads run machines without any of this."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with at(programs, "busy") as machine:
                machine.at(MS, lambda: signal.raise_signal(signal.SIGINT))
                assert machine.run(2 * MS).reason is StopReason.BUDGET
        finally:
            signal.signal(signal.SIGINT, before)
        stops: list[Stop] = []

        def other() -> None:
            with at(programs, "busy") as machine:
                stops.append(machine.run(MS))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert [stop.reason for stop in stops] == [StopReason.BUDGET]


def test_a_machine_that_is_closed_and_forgotten_frees_its_ram_at_once() -> None:
    """Nothing in a machine refers back to it once it is closed: no garbage collection is waited for."""
    gc.disable()
    try:
        with Machine(MachineConfig(ram=board.RAM_MIN)) as machine:
            machine.run(1000)
            ram = weakref.ref(machine.memory)
        del machine
        assert ram() is None
    finally:
        gc.enable()
