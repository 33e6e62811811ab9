"""The toy guest on our own machine, brought to where most tests begin."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hv import board
from hv.config import Disk, MachineConfig
from hv.machine import Machine
from hv.report import describe
from hv.shell import GuestShell, Reply
from hv.stop import StopReason

SECOND = 1_000_000_000
"""Virtual nanoseconds."""

PATIENCE_NS = 20 * SECOND
"""Virtual time that anything may take; an answer that a driver waits 5 s for included."""


def make_disk(path: Path, size: int) -> Path:
    """Make an empty raw disk of `size` bytes, all of it a hole."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def config(ram_mib: int = 64, disk: Path | None = None, append: str = "", balloon: int = 0) -> MachineConfig:
    """Describe a small machine with a balloon and, in slot 0, a disk."""
    disks = () if disk is None else (Disk(disk, slot=0),)
    return MachineConfig(ram=ram_mib * board.MIB, disks=disks, append=append, balloon=balloon)


class Guest(GuestShell):
    """A shell that fails a test with the guest's own report when something goes wrong."""

    def boot(self) -> None:
        """Run to the first prompt."""
        self.expect(self.wait_for_prompt().reason, StopReason.CONDITION)

    def type(self, line: str, status: int = 0) -> Reply:
        """Type a command that must end with `status`, at the prompt."""
        reply = self.command(line)
        self.expect(reply.stop.reason, StopReason.CONDITION)
        assert reply.status == status, f"`{line}` ended with {reply.status}, not {status}: {reply.lines}"
        return reply

    def type_last(self, line: str, reason: StopReason) -> None:
        """Type a command that ends the machine for `reason`."""
        self.expect(self.command(line).stop.reason, reason)

    def inflate(self, pages: int) -> None:
        """Set the host's target and run until the driver reports it reached."""
        balloon = self.machine.balloon
        assert balloon is not None
        self.machine.set_balloon_target(pages)
        self.wait_for_balloon()

    def wait_for_balloon(self) -> None:
        """Run until the driver reports the host's target as reached."""
        balloon = self.machine.balloon
        assert balloon is not None
        until = self.machine.now_ns + PATIENCE_NS
        stop = self.machine.run(until, until=lambda: balloon.actual_pages == balloon.target_pages)
        self.expect(stop.reason, StopReason.CONDITION)

    def wait_for_line(self, pattern: str) -> None:
        """Run until the guest prints a line that matches."""
        console = self.machine.console
        console.watch(pattern)
        stop = self.machine.run(self.machine.now_ns + PATIENCE_NS, until=lambda: console.match is not None)
        self.expect(stop.reason, StopReason.CONDITION)

    def expect(self, reason: StopReason, wanted: StopReason) -> None:
        """Fail with the console's end and the machine's report unless it stopped for `wanted`."""
        if reason is not wanted:
            report = describe(self.machine, self.machine.run(self.machine.now_ns))
            said = self.machine.console.text()[-2000:]
            raise AssertionError(f"{reason.name}, not {wanted.name}\n{said}\n{report}")


@contextmanager
def booted(machine_config: MachineConfig) -> Iterator[Guest]:
    """Make a machine and run it to the guest's first prompt."""
    with Machine(machine_config) as machine:
        guest = Guest(machine)
        guest.boot()
        yield guest
