"""Linux hibernates to swap and resumes: how long it takes, here and on QEMU.

Hibernating is measured from the typed command until the machine is off (QEMU: its process has ended), and
resuming from making the new machine (QEMU: starting its process) to the shell of the resumed guest; another
line has our whole process in it. A quarter of RAM is ballooned, and the host keeps its target. What the guest
had in memory must be right afterwards.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from bench.peers import seconds_to_prompt
from hv import board
from hv.config import Disk, MachineConfig
from hv.images import FIRMWARE
from hv.linux.kit import Kit
from hv.machine import Machine
from hv.shell import PATIENCE_NS
from hv.stop import StopReason
from tests.harness.guest import make_disk
from tests.harness.qemu import Qemu

SLEEP = "hibernate"
WAKE = "resume, making the machine"
WAKE_PROCESS = "resume, starting the process"

_RAM = 512 * board.MIB
_TARGET = _RAM // board.PAGE_SIZE // 4
_APPEND = "resume=/dev/vda no_console_suspend"
_PROMPT = "~ # "
_BEFORE = (
    "mkswap /dev/vda; swapon /dev/vda; echo shutdown >/sys/power/disk",
    "head -c 32M /dev/urandom >/tmp/touched; md5sum /tmp/touched >/tmp/sum",
)
_HIBERNATE = "echo disk >/sys/power/state"
_VERIFY = "md5sum -c /tmp/sum"
_RIGHT = "touched: OK"


def here(kit: Kit, disk: Path) -> Mapping[str, float]:
    """Do it on our machine, twice: resumed by a machine of this process, and by `thawvisor run`."""
    figures = _cycle_here(kit, disk)
    _sleep_here(kit, disk)
    options = (
        *("-m", f"{_RAM // board.MIB}M", "--balloon", f"{_TARGET * board.PAGE_SIZE // board.MIB}M"),
        *("-kernel", kit.kernel, "-initrd", kit.initrd, "-append", _APPEND, "--disk", disk),
    )
    return figures | {WAKE_PROCESS: seconds_to_prompt(_PROMPT.encode(), *options)}


def _cycle_here(kit: Kit, disk: Path) -> dict[str, float]:
    slept = _sleep_here(kit, disk)
    start = time.perf_counter()
    with Machine(_config(kit, disk, _TARGET)) as machine:
        _wait(machine, _PROMPT)
        woken = time.perf_counter() - start
        _type(machine, _VERIFY, _RIGHT)
    return {SLEEP: slept, WAKE: woken}


def _sleep_here(kit: Kit, disk: Path) -> float:
    with Machine(_config(kit, _blank(disk), 0)) as machine:
        balloon = machine.balloon
        assert balloon is not None
        _wait(machine, _PROMPT)
        for line in _BEFORE:
            _type(machine, line, _PROMPT)
        machine.set_balloon_target(_TARGET)
        machine.run(machine.now_ns + PATIENCE_NS, until=lambda: balloon.actual_pages == _TARGET)
        machine.serial.type(f"{_HIBERNATE}\n".encode())
        start = time.perf_counter()
        stop = machine.run(machine.now_ns + PATIENCE_NS)
        if stop.reason is not StopReason.POWEROFF:
            raise RuntimeError(f"Linux did not hibernate: {machine.console.text()[-500:]}")
        return time.perf_counter() - start


def _config(kit: Kit, disk: Path, target: int) -> MachineConfig:
    disks = (Disk(disk, slot=0),)
    return MachineConfig(
        ram=_RAM, kernel=kit.kernel, initrd=kit.initrd, append=_APPEND, disks=disks, balloon=target
    )


def _type(machine: Machine, line: str, answer: str) -> None:
    machine.serial.type(f"{line}\n".encode())
    _wait(machine, answer)


def _wait(machine: Machine, pattern: str) -> None:
    console = machine.console
    console.watch(pattern, fresh=True)
    machine.run(machine.now_ns + PATIENCE_NS, until=lambda: console.match is not None)
    if console.match is None:
        raise RuntimeError(f"{pattern!r} did not come: {console.text()[-500:]}")


def on_qemu(kit: Kit, disk: Path) -> Mapping[str, float]:
    """Do it on QEMU's; its process is all there is, so both lines of resuming are the same."""
    with _qemu(kit, _blank(disk)) as qemu:
        qemu.qmp.execute("cont")
        qemu.console.expect(_PROMPT)
        for line in _BEFORE:
            _type_on_qemu(qemu, line, _PROMPT)
        qemu.set_balloon(_TARGET)
        qemu.wait_balloon(_TARGET)
        start = time.perf_counter()
        qemu.console.send(f"{_HIBERNATE}\n")
        qemu.wait_exit()
        slept = time.perf_counter() - start
    start = time.perf_counter()
    with _qemu(kit, disk) as qemu:
        qemu.set_balloon(_TARGET)
        qemu.qmp.execute("cont")
        qemu.console.expect(_PROMPT)
        woken = time.perf_counter() - start
        _type_on_qemu(qemu, _VERIFY, _RIGHT)
    return {SLEEP: slept, WAKE: woken, WAKE_PROCESS: woken}


def _qemu(kit: Kit, disk: Path) -> Qemu:
    return Qemu(FIRMWARE, kit.kernel, _RAM, append=_APPEND, initrd=kit.initrd, disk=disk, paused=True)


def _type_on_qemu(qemu: Qemu, line: str, answer: str) -> None:
    qemu.console.send(f"{line}\n")
    qemu.console.expect("\n")  # the echo ends the prompt's line
    qemu.console.expect(answer)


def _blank(disk: Path) -> Path:
    disk.unlink(missing_ok=True)
    return make_disk(disk, _RAM // 2 + board.MIB)
