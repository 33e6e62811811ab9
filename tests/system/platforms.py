"""Machines that a bare program can run on, each told in the same way how the run ended."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hv import board
from hv.config import MachineConfig
from hv.machine import Machine
from hv.qemu.qmp import QmpError
from hv.stop import StopReason
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu_process import QemuProcess


class Ending(StrEnum):
    """How a machine's run ended."""

    POWEROFF = "poweroff"
    RESET = "reset"
    FAILURE = "failure"
    HIBERNATE = "hibernate"
    HANG = "hang"


@dataclass(frozen=True)
class Run:
    """What a run left.

    Attributes:
        console: everything that came over the UART, line ends as `\\n`.
        ending: how it ended.
    """

    console: str
    ending: Ending


class Platform(Protocol):
    """A machine with our board."""

    def run(self, firmware: Path, payload: Path, append: str) -> Run:
        """Boot a payload through a firmware, and wait until the machine ends.

        Args:
            firmware: M-mode ELF.
            payload: S-mode ELF.
            append: kernel command line.
        """
        ...


class OwnPlatform:
    """The machine that this project is about."""

    def run(self, firmware: Path, payload: Path, append: str) -> Run:
        """Boot a payload through a firmware, and run until the machine ends (see `Platform`)."""
        with Machine(own_config(firmware, payload, append)) as machine:
            return run_own(machine)


def own_config(firmware: Path, payload: Path, append: str) -> MachineConfig:
    """Return the smallest machine of ours that boots a payload through a firmware."""
    return MachineConfig(ram=board.RAM_MIN, bios=firmware, kernel=payload, append=append, balloon=None)


def run_own(machine: Machine) -> Run:
    """Run a machine of ours until it ends; one second of virtual time is more than a payload takes."""
    stop = machine.run(machine.now_ns + 10**9)
    return Run(machine.console.text(), _OWN_ENDINGS[stop.reason])


_OWN_ENDINGS = {
    StopReason.POWEROFF: Ending.POWEROFF,
    StopReason.RESET: Ending.RESET,
    StopReason.GUEST_FAULT: Ending.FAILURE,
    StopReason.HIBERNATE: Ending.HIBERNATE,
    StopReason.BUDGET: Ending.HANG,
    StopReason.IDLE: Ending.HANG,
}


@dataclass(frozen=True)
class QemuPlatform:
    """QEMU's `virt` machine.

    Attributes:
        cpu: value of `-cpu`.
        harts: number of harts.
    """

    cpu: str = "rv64"
    harts: int = 1

    def arguments(self, firmware: Path, payload: Path | None, append: str, dtb: Path | None) -> list[str]:
        """Return QEMU's command line; the UART is the socket `serial`."""
        arguments = ["-cpu", self.cpu, "-smp", str(self.harts), "-m", f"{board.RAM_MIN // board.MIB}M"]
        arguments += ["-S", "-no-reboot", "-serial", "chardev:serial", "-bios", str(firmware)]
        if payload is not None:
            arguments += ["-kernel", str(payload), "-append", append]
        if dtb is not None:
            arguments += ["-dtb", str(dtb)]
        return arguments

    def run(self, firmware: Path, payload: Path | None, append: str = "", dtb: Path | None = None) -> Run:
        """Boot a payload through a firmware, and wait until QEMU ends (see `Platform`).

        Args:
            firmware: M-mode ELF.
            payload: S-mode ELF, or None for a machine without a kernel.
            append: kernel command line.
            dtb: device tree to give instead of QEMU's own.
        """
        with QemuProcess(self.arguments(firmware, payload, append, dtb), ["serial"]) as qemu:
            return finish(qemu)


def start(qemu: QemuProcess) -> None:
    """Let a QEMU that waits (`-S`) run; a short run ends it before it can answer."""
    with suppress(QmpError, ConnectionResetError):
        qemu.qmp.execute("cont")


def finish(qemu: QemuProcess) -> Run:
    """Start a QEMU that waits (`-S -no-reboot`), and read its console until it ends by itself."""
    start(qemu)
    serial = qemu.sockets["serial"]
    serial.settimeout(PATIENCE_S)
    console = b""
    try:
        while data := serial.recv(1 << 16):
            console += data
        ending = _qemu_ending(qemu)
    except TimeoutError:
        ending = Ending.HANG
    return Run(console.decode("utf-8", "replace").replace("\r", ""), ending)


def _qemu_ending(qemu: QemuProcess) -> Ending:
    """A reset is announced; the finisher ends QEMU on the spot, with its code as exit status."""
    if qemu.wait_exit():
        return Ending.FAILURE
    try:
        qemu.qmp.wait_event("SHUTDOWN")
    except (QmpError, ConnectionResetError):
        return Ending.POWEROFF
    return Ending.RESET
