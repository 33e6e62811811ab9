"""The monitor on whole machines: it changes nothing, finds what is planted, and names the function."""

from pathlib import Path

import pytest

from hv.config import MachineConfig
from hv.machine import Machine
from hv.monitor import Verdicts
from hv.shell import GuestShell
from tests.harness.plants import PLANTS, plant_kernel

RAM = 64 << 20
TARGET = 2000
SECOND = 10**9


def resize(machine: Machine, pages: int) -> None:
    """Set a target, and run until it is reached or time is up."""
    machine.set_balloon_target(pages)
    machine.run(machine.now_ns + 30 * SECOND, until=lambda: machine.balloon.actual_pages == pages)


def live(machine: Machine) -> None:
    """Boot, inflate, deflate half of it, and use memory."""
    shell = GuestShell(machine)
    shell.wait_for_prompt()
    for pages in (TARGET, TARGET // 2):
        resize(machine, pages)
    shell.command("touch 4M")
    machine.run(machine.now_ns + SECOND)


def judged(config: MachineConfig) -> Verdicts:
    """Return what the monitor says of a guest's life."""
    with Machine(config) as machine:
        live(machine)
        assert machine.monitor is not None
        return machine.monitor.verdicts


@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_the_monitor_changes_nothing(legacy: bool) -> None:
    """With it and without it a guest has the same virtual time and the same RAM."""

    def ends(monitor: bool) -> tuple[int, str]:
        with Machine(MachineConfig(ram=RAM, monitor=monitor, legacy_virtio=legacy)) as machine:
            live(machine)
            return machine.now_ns, machine.ram_sha256()

    assert ends(monitor=False) == ends(monitor=True)


@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_the_toy_driver_breaks_nothing(legacy: bool) -> None:
    """And much of what it does is judged."""
    verdicts = judged(MachineConfig(ram=RAM, monitor=True, legacy_virtio=legacy))
    assert not verdicts.breaches, [breach.headline() for breach in verdicts.breaches]
    assert {"C053", "C070", "C236", "C240"} <= verdicts.exercised
    assert len(verdicts.exercised) > 60


@pytest.mark.parametrize(
    ("plant", "clauses", "function"),
    [
        ("PLANT_ACTUAL_OFF_BY_ONE", {"C240"}, "update_balloon_size"),
        ("PLANT_REUSE_BEFORE_ACK", {"C233", "C235"}, "leak_balloon"),
        ("PLANT_WRITE_BALLOONED", {"C233", "C235"}, "update_balloon_size"),
    ],
)
def test_a_planted_bug_is_named_with_its_clause_and_function(
    plant: str, clauses: set[str], function: str, kernels: Path
) -> None:
    """The driver breaks what it is built to break, and the call trace leads there."""
    flag = next(each for each in PLANTS if each.flag == plant)
    kernel = plant_kernel(flag, kernels)
    verdicts = judged(MachineConfig(ram=RAM, monitor=True, kernel=kernel))
    assert clauses <= verdicts.broken
    for breach in verdicts.breaches:
        if breach.clause in clauses:
            assert any(function in line for line in breach.functions), breach


def test_a_fork_goes_on_under_the_monitor() -> None:
    """A driver that is met in the middle of its life is judged from there, and breaks nothing."""
    with Machine(MachineConfig(ram=RAM, monitor=True)) as machine:
        live(machine)
        with machine.fork() as fork:
            assert fork.monitor is not None
            resize(fork, 0)
            fork.run(fork.now_ns + SECOND)
            assert not fork.monitor.verdicts.breaches, fork.monitor.verdicts.breaches
            assert fork.monitor.verdicts.kept["C235"] > 0
