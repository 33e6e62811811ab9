"""The two processes of the story; each holds one machine, tells what happens, and ends with it."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from hv import books
from hv.demo.plan import Ending, Failure, Message, Moment, Plan
from hv.errors import ThawvisorError
from hv.hibernate import Carrier, thaw, write_host_image
from hv.machine import Machine
from hv.report import describe
from hv.shell import GuestShell, Reply, Workload
from hv.stop import Stop, StopReason

GUEST_SAYS = ("PM: ", "virtio_balloon ")
"""Kernel messages that belong in the timeline, by the start of their text."""

BALLOON_NS = 5_000_000_000
"""Virtual time that a balloon may take to reach its target, and a guest to resume."""


class StageError(Exception):
    """The story cannot go on; the text says why."""


class Stage:
    """One machine of the story and its shell.

    Args:
        number: 1 or 2.
        machine: a fresh machine.
        tell: where messages go.
    """

    def __init__(self, number: int, machine: Machine, tell: Callable[[Message], None]) -> None:
        self.number = number
        self.machine = machine
        self.shell = GuestShell(machine)
        self.tell = tell
        self._told = 0

    def say(self, text: str) -> None:
        """Tell what the host did or saw, after what the guest said until now."""
        lines = self.machine.console.lines
        for line in lines[self._told :]:
            text_only = line.text.partition("] ")[2]
            if text_only.startswith(GUEST_SAYS):
                self.tell(Moment(self.number, line.ns, "guest", text_only))
        self._told = len(lines)
        self.tell(Moment(self.number, self.machine.now_ns, "host", text))

    def expect(self, stop: Stop, *reasons: StopReason) -> None:
        """Go on only if the machine stopped for one of `reasons`.

        Raises:
            StageError: it stopped for another; with registers and backtrace when the guest died.
        """
        if stop.reason not in reasons:
            raise StageError(describe(self.machine, stop))

    def command(self, line: str) -> Reply:
        """Type a command that must succeed.

        Raises:
            StageError: it failed, or the machine stopped.
        """
        reply = self.shell.command(line)
        self.expect(reply.stop, StopReason.CONDITION)
        if reply.status:
            raise StageError(f"the guest's `{line}` failed: {reply.error}: {' / '.join(reply.lines)}")
        return reply

    def entry(self, label: str) -> None:
        """Take both sides' books and tell them."""
        self.tell(books.take(label, self.machine, self.shell))

    def inflate(self, reached: str) -> None:
        """Run until the driver reports the host's target as reached, or gives up; the books judge that."""
        balloon = self.machine.balloon
        assert balloon is not None
        target = balloon.target_pages
        stop = self.machine.run(
            self.machine.now_ns + BALLOON_NS, until=lambda: balloon.actual_pages == target
        )
        self.expect(stop, StopReason.CONDITION, StopReason.BUDGET, StopReason.IDLE)
        if stop.reason is StopReason.CONDITION:
            self.say(f"{reached}: {target} pages are the host's")
        else:
            self.say(f"the balloon stands at {balloon.actual_pages} of {target} pages")

    def end(self, workload: Workload) -> None:
        """Tell how the machine ended."""
        self.tell(Ending(self.number, self.machine.now_ns, self.machine.ram_sha256(), workload, os.getpid()))


def before(plan: Plan, tell: Callable[[Message], None]) -> None:
    """Stage 1: boot, touch, inflate, hibernate, power off."""
    with Machine(plan.config) as machine:
        stage = Stage(1, machine, tell)
        stage.expect(stage.shell.wait_for_prompt(), StopReason.CONDITION)
        stage.say("the guest is at its prompt")
        if plan.carrier is Carrier.SWAP:
            stage.command("mkswap")
            stage.command("swapon")
        stage.entry("booted")

        # Memory that was never used costs the host nothing: let the pages that the balloon will take hold
        # something.
        stage.command(f"touch {plan.touch + plan.target}")
        stage.command("release")
        stage.say(f"the guest used {plan.touch + plan.target} pages and freed them")
        workload = Workload.of(stage.command(f"touch {plan.touch}"))
        stage.say(f"the guest filled {workload.pages} pages, fingerprint {workload.fingerprint}")
        stage.entry("touched")

        machine.set_balloon_target(plan.target)
        stage.say(f"balloon target set to {plan.target} pages")
        stage.inflate("target reached")
        stage.entry("inflated")

        stage.say("asked the guest to hibernate")
        if plan.carrier is Carrier.SWAP:
            stage.expect(stage.shell.command("hibernate").stop, StopReason.POWEROFF)
            stage.say("the guest wrote its image to swap and switched off")
        else:
            stage.expect(stage.shell.command("hibernate platform").stop, StopReason.HIBERNATE)
            written = write_host_image(machine, plan.image)
            stage.say(
                f"the platform kept {written.pages_saved} pages of RAM in the host image and switched off"
            )
        stage.end(workload)


def after(plan: Plan, tell: Callable[[Message], None]) -> None:
    """Stage 2: a fresh machine, the same disk or host image, the target as it was; resume and verify."""
    config = replace(plan.config, balloon=plan.target)
    with Machine(config) if plan.carrier is Carrier.SWAP else thaw(plan.image, config) as machine:
        stage = Stage(2, machine, tell)
        stage.expect(stage.shell.wait_for_prompt(), StopReason.CONDITION)
        stage.say("the guest is at its prompt")
        if "PM: resumed from " not in machine.console.text():
            raise StageError("the guest booted afresh instead of resuming")
        stage.inflate("target reached again")

        workload = Workload.of(stage.command("verify"))
        stage.say(f"the guest verified {workload.pages} pages, fingerprint {workload.fingerprint}")
        stage.entry("resumed")
        stage.end(workload)


def run(stage: Callable[[Plan, Callable[[Message], None]], None], plan: Plan, pipe: Connection) -> None:
    """Entry point of a stage's process: run it, and tell a failure instead of raising it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the narrator, who ends us
    try:
        stage(plan, pipe.send)
    except (StageError, ThawvisorError) as error:
        pipe.send(Failure(str(error)))
    finally:
        pipe.close()
