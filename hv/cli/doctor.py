"""`thawvisor doctor`: check that this host can run the machine, one line a check."""

import importlib.metadata
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import click

PACKAGES = ("unicorn", "numba", "numpy", "pyelftools", "click", "msgspec", "rich")


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


def _packages() -> str:
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)


def _ours() -> str:
    """Check that `hv` and `devices` are ours: another distribution also installs a module called `hv`."""
    import devices
    import hv

    homes = {Path(package.__file__ or "").resolve().parents[1] for package in (hv, devices)}
    if len(homes) != 1:
        raise RuntimeError(
            f"hv and devices come from different places: {sorted(map(str, homes))}; reinstall thawvisor"
        )
    return f"thawvisor {importlib.metadata.version('thawvisor')}, hv and devices from {homes.pop()}"


def _unicorn() -> str:
    from hv.cpu.internals import OFFSETS
    from hv.cpu.proof import verify

    verify()
    return f"the library's internals are the known ones: {len(OFFSETS)} places verified"


def _memory() -> str:
    from devices.memory import PAGE_SIZE, GuestMemory

    memory = GuestMemory.allocate(0, 16 * PAGE_SIZE)
    memory.ram[:] = 1
    held = memory.resident_bytes()
    memory.discard(0, 8 * PAGE_SIZE)
    if memory.resident_bytes() != held - 8 * PAGE_SIZE or memory.ram[0]:
        raise RuntimeError(
            "pages given back to the host still take memory: is this kernel's MADV_DONTNEED unusual?"
        )
    return "pages given back really leave the host's memory"


def _boot() -> str:
    from hv.config import MachineConfig
    from hv.machine import Machine
    from hv.report import describe
    from hv.shell import GuestShell
    from hv.stop import StopReason

    with Machine(MachineConfig(ram=64 << 20)) as machine:
        stop = GuestShell(machine).wait_for_prompt()
        if stop.reason is not StopReason.CONDITION:
            raise RuntimeError(describe(machine, stop))
        return f"the toy kernel reaches its prompt in {stop.ns / 1e6:.1f} ms of virtual time"


CHECKS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("python", _python),
    ("packages", _packages),
    ("install", _ours),
    ("unicorn", _unicorn),
    ("memory", _memory),
    ("boot", _boot),
)


@click.command("doctor")
def command() -> None:
    """Check that this host can run the machine; exit status 1 when something cannot work."""
    failures = 0
    for name, check in CHECKS:
        try:
            click.echo(f"ok    {name:9} {check()}")
        except Exception as error:  # whatever it is, the user asked what is wrong
            failures += 1
            click.echo(f"FAIL  {name:9} {error}")
    sys.exit(1 if failures else 0)
