"""Code of Linux programs that changes: they write it themselves, or a rewind or a resume changes it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from devices.memory import PAGE_SIZE
from hv import board, images
from hv.config import MachineConfig
from hv.linux.kit import Kit
from hv.machine import Machine
from hv.scenario import PLACES, LinuxGuest, Run, World
from hv.shell import GuestShell
from tests.harness.linux_programs import compile_program, initrd_with
from tests.harness.qemu import Qemu
from tests.harness.qemu_process import find_qemu

pytestmark = pytest.mark.campaign

COPIES = 100
PAGES = 8
ADDENDS = {"black": 1, "white": 101}
"""What the two programs of `programs/collide.c` add, and one more in each page."""

RUN = f"for i in $(seq {COPIES}); do /copies/$i; done | sort | uniq -c"
COPY = f"mkdir -p /copies; for i in $(seq {COPIES}); do cp /bin/%s /copies/$i; done"
"""Each copy is a file in memory, whose own pages are executed."""

EARLY = f"""#!/bin/busybox sh
# Copy and run $collide before all else: an image that is made later has other contents in the same pages.
# Behind every $gap-th copy comes a page more, so that wherever another begins, some lie as its do. Half of
# them are $forgotten: what is in use a resume overwrites at its end, what is free the disk does before.
/bin/busybox --install -s
mkdir /copies
for i in $(seq {COPIES}); do
	cp /bin/$collide /copies/$i
	[ $((i % gap)) != 0 ] || echo >/copies/gap$i
done
{RUN}
[ ! "$forgotten" ] || rm $(seq 1 2 {COPIES} | sed s,^,/copies/,)
exec /init
"""


def expected_sum() -> int:
    """Return what `programs/jit.c` computes; all functions of a round are written before the first runs."""
    total, chance, size = 0, 1, PAGES // 2 * 4096
    for _ in range(2000):
        functions: list[tuple[int, int]] = []
        for _ in range(3):
            chance = (chance * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            functions.append(((chance >> 33) % (size // 64 - 1) * 64 + 58, chance >> 50 & 2047))
        values = dict(functions)
        for place, _ in reversed(functions):
            total = (total * 31 + values[place]) % (1 << 64)
    return total


@pytest.fixture
def jit(kit: Kit, tmp_path: Path) -> Path:
    """A RAM disk with the program that writes code."""
    return initrd_with(kit, {"jit": compile_program("jit", tmp_path / "jit")}, tmp_path / "initrd.cpio")


def run_jit_here(kit: Kit, jit: Path) -> tuple[str, ...]:
    """Boot Linux on our machine, and return what the program prints."""
    config = MachineConfig(ram=512 * board.MIB, kernel=kit.kernel, initrd=jit, virtio_console=True)
    with Machine(config) as machine:
        shell = GuestShell(machine, machine.channel)
        shell.wait_for_prompt()
        return shell.command("jit").lines


def test_a_program_that_writes_code(kit: Kit, jit: Path) -> None:
    """A user's program runs what it wrote last, by whatever mapping, within a page and over its end."""
    lines = run_jit_here(kit, jit)
    assert lines == tuple(f"{name} {expected_sum():016x}" for name in ("in_place", "through_another_mapping"))


@pytest.mark.peers
def test_a_program_that_writes_code_on_qemu(kit: Kit, jit: Path) -> None:
    """The same program on the same kernel prints the same on QEMU."""
    with Qemu(images.FIRMWARE, kit.kernel, 512 * board.MIB, initrd=jit) as qemu:
        qemu.console.expect("~ # ", within=120)
        qemu.console.send("jit\n")
        names = ("in_place", "through_another_mapping")
        there = tuple(qemu.console.expect(rf"(?m)^{name} [0-9a-f]{{16}}", within=60)[0] for name in names)
    assert there == run_jit_here(kit, jit)


def printed_by(addend: int) -> str:
    """Return what all copies of a program of `programs/collide.c` print, counted."""
    total = 0
    for page in range(PAGES):
        total = (total + addend + page) * 31 % (1 << 64)
    return f"{COPIES:7} {total:016x}"


class Colliding:
    """Two programs that differ in a number a page, and where their pages of code are in RAM.

    Attributes:
        elves: they, by name.
    """

    def __init__(self, folder: Path) -> None:
        self.elves = {
            name: compile_program("collide", folder / name, [f"ADDEND={addend}"])
            for name, addend in ADDENDS.items()
        }
        black, white = (np.frombuffer(elf, np.uint8) for elf in self.elves.values())
        whole = len(black) // PAGE_SIZE * PAGE_SIZE
        differ = (black[:whole] != white[:whole]).reshape(-1, PAGE_SIZE).any(axis=1)
        self._numbers = [int(number) for number in np.flatnonzero(differ)]

    def pages(self, name: str, machine: Machine) -> set[tuple[int, int]]:
        """Return which page of RAM holds which page of a program: only those that the other has otherwise."""
        ram = machine.memory.ram.reshape(-1, PAGE_SIZE)
        found = set()
        for number in self._numbers:
            wanted = np.frombuffer(self.elves[name], np.uint8, PAGE_SIZE, number * PAGE_SIZE)
            alike = np.flatnonzero((ram[:, :64] == wanted[:64]).all(axis=1))
            found |= {(int(page), number) for page in alike if (ram[page] == wanted).all()}
        return found


@pytest.fixture
def programs(tmp_path: Path) -> Colliding:
    """The two programs."""
    return Colliding(tmp_path)


@pytest.fixture
def initrd(kit: Kit, programs: Colliding, tmp_path: Path) -> Path:
    """A RAM disk with them."""
    return initrd_with(kit, programs.elves | {"early": EARLY.encode()}, tmp_path / "initrd.cpio")


def test_a_rewound_linux_runs_the_code_of_then(kit: Kit, programs: Colliding, initrd: Path) -> None:
    """After a rewind the programs of then run, where others had been translated in the time undone."""
    config = MachineConfig(ram=512 * board.MIB, kernel=kit.kernel, initrd=initrd, virtio_console=True)
    places = []
    with Machine(config) as machine:
        GuestShell(machine, machine.channel).wait_for_prompt()
        with machine.fork() as fork:
            for name, addend in ADDENDS.items():
                shell = GuestShell(fork, fork.channel)
                shell.command(COPY % name)
                assert shell.command(RUN).lines == (printed_by(addend),)
                places.append(programs.pages(name, fork))
                fork.rewind()
    assert len(places[0] & places[1]) > COPIES * PAGES // 2


@pytest.fixture
def guest(initrd: Path) -> type[LinuxGuest]:
    """Linux with the two programs."""

    class Guest(LinuxGuest):
        """Linux with another RAM disk."""

        @staticmethod
        def prepare(config: MachineConfig, era: str) -> MachineConfig:
            """See `Guest`."""
            return replace(LinuxGuest.prepare(config, era), initrd=initrd)

    return Guest


def sleep_and_run_other_programs(world: World) -> Run:
    """Hibernate with copies of one program; return the next machine, which has run the other's."""
    world.append = "rdinit=/bin/early collide=white gap=4"
    run = world.boot()
    assert run.said(printed_by(ADDENDS["white"]))
    run.enable_swap()
    run.hibernate()
    world.append = "rdinit=/bin/early collide=black gap=1000 forgotten=1"
    woken = world.power_on()
    woken.until_line("init: looking for an image")
    assert woken.said(printed_by(ADDENDS["black"]))
    return woken


def test_a_resumed_linux_runs_the_code_of_its_image(programs: Colliding, guest: type[LinuxGuest]) -> None:
    """After a resume the image's programs run, where the boot kernel ran others at the same address."""
    with World("e3", guest=guest) as world:
        woken = sleep_and_run_other_programs(world)
        translated = programs.pages("black", woken.machine)
        woken.until_resumed()
        assert woken.shell(RUN).lines == (printed_by(ADDENDS["white"]),)
        collisions = translated & programs.pages("white", woken.machine)
    assert len(collisions) > COPIES // 2


@pytest.mark.peers
def test_a_resumed_linux_runs_the_code_of_its_image_on_qemu(guest: type[LinuxGuest]) -> None:
    """The same programs print the same on QEMU."""
    find_qemu()
    with World("e3", guest=guest, place=PLACES["qemu"]) as world:
        woken = sleep_and_run_other_programs(world)
        woken.until_resumed()
        assert woken.shell(RUN).lines == (printed_by(ADDENDS["white"]),)
