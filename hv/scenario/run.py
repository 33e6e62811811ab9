"""One machine of a scenario, from power-on to power-off.

A run that cannot go on as its author said (a condition does not come, the guest dies, a command fails that
must not) raises ScenarioError: the scenario breaks off there, with the guest's report. Everything that is
compared and differs is a finding, and the scenario goes on.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Never

import numpy as np

from devices.virtio.backends import PowerCutBackend, PowerCutError
from devices.virtio.balloon import Balloon
from hv import books
from hv.hibernate import Carrier
from hv.ledger import Kind, Ledger
from hv.machine import Machine, Stop, StopReason
from hv.report import describe
from hv.scenario.guest import Guest
from hv.scenario.journal import Event
from hv.shell import Reply, Workload

if TYPE_CHECKING:
    from hv.scenario.world import World

MS = 1_000_000
SECOND = 1_000_000_000
"""Virtual nanoseconds."""

PATIENCE_NS = 60 * SECOND
"""Virtual time that a condition may take to come."""

_CONSOLE_TAIL = 12


class ScenarioError(Exception):
    """The scenario cannot go on; the text says why, with the guest's last words."""


class Run:
    """One machine and the guest in it. Made by `World.power_on`, which see.

    Attributes:
        world: where it runs.
        number: from 1.
        machine: the machine, for what this class has no word for.
        guest: the kernel inside.
        ledger: both sides' books, page by page.
        disk: the disk as this machine has it (writes and flushes counted), or None.
        stop: how the machine ended; None while it is on, and when the power was cut.
        on: whether it still runs.
    """

    def __init__(self, world: "World", number: int, machine: Machine, disk: PowerCutBackend | None) -> None:
        self.world = world
        self.number = number
        self.machine = machine
        self.guest: Guest = world.guest(machine)
        self.disk = disk
        self.ledger = Ledger(machine, world.symbols(machine))
        self.stop: Stop | None = None
        self.on = True
        self._lines_told = 0
        self._offences_told = 0
        self._differences_told = 0

    # Time and conditions.

    @property
    def ns(self) -> int:
        """Virtual time since power-on."""
        return self.machine.now_ns

    def until(self, condition: Callable[[], bool], what: str, within_ns: int = PATIENCE_NS) -> None:
        """Run until a condition holds.

        Args:
            condition: looked at whenever the guest wrote to a device or completed a watched line.
            what: the condition in words, for the log.
            within_ns: virtual time allowed.

        Raises:
            ScenarioError: it did not come.
        """
        stop = self._drive(lambda: self.machine.run(self.ns + within_ns, until=condition))
        self._expect(stop, StopReason.CONDITION, what)
        self.log("host", what)

    def until_line(self, pattern: str) -> None:
        """Run until the guest prints a line that matches a regular expression (see `Console.watch`)."""
        console = self.machine.console
        console.watch(pattern, fresh=True)
        self.until(lambda: console.match is not None, f"the guest printed {pattern!r}")

    def until_ns(self, ns: int) -> None:
        """Run until a virtual time, or until the machine ends."""
        reached: list[int] = []
        self.machine.at(ns, lambda: reached.append(ns))
        self._drive(lambda: self.machine.run(max(ns, self.ns) + MS, until=lambda: bool(reached)))

    def until_prompt(self) -> None:
        """Run until the guest's shell waits for a command."""
        self._expect(self._drive(self.guest.until_prompt), StopReason.CONDITION, "the prompt")
        self.log("host", "the guest is at its prompt" + (", resumed" if self.guest.resumed() else ""))

    def until_resumed(self) -> None:
        """Run until the prompt of a guest that came out of an image.

        Raises:
            ScenarioError: it booted afresh.
        """
        self.until_prompt()
        if not self.guest.resumed():
            raise ScenarioError("the guest booted afresh instead of resuming")

    def until_fresh(self) -> None:
        """Run until the prompt of a guest that booted afresh.

        Raises:
            ScenarioError: it came out of an image.
        """
        self.until_prompt()
        if self.guest.resumed():
            raise ScenarioError("the guest resumed from an image instead of booting afresh")

    def until_target(self) -> None:
        """Run until the driver reports a balloon of the host's target."""
        self.until(lambda: self.balloon.actual_pages == self.balloon.target_pages, "the target is reached")

    def until_off(self) -> None:
        """Run until the machine is off: powered off, asleep, or without power.

        Raises:
            ScenarioError: it stopped otherwise.
        """
        stop = self._drive(lambda: self.machine.run(self.ns + PATIENCE_NS))
        if self.on:
            self._fail(f"waited for the power to go off, the machine stopped with {stop.reason.name}", stop)

    # What the host does.

    @property
    def balloon(self) -> Balloon:
        """The balloon device: the host's side."""
        assert self.machine.balloon is not None, "every machine of a scenario has a balloon"
        return self.machine.balloon

    def set_target(self, pages: int, at_ns: int | None = None) -> None:
        """Set the host's target, which the world keeps; now, or at a virtual time of this run."""

        def act() -> None:
            self.world.target = pages
            self.machine.set_balloon_target(pages)
            self.log("host", f"balloon target set to {pages} pages")

        if at_ns is None:
            act()
        else:
            self.machine.at(at_ns, act)

    def cut_power(self, at_ns: int | None = None) -> None:
        """Take the power away; now, or at a virtual time of this run, wherever that comes.

        What the disk had in its cache is lost (`World.cached_writes_kept` says otherwise).
        """
        if at_ns is None:
            self._cut("power cut")
        else:
            self.machine.at(at_ns, self._raise_power_cut)

    # What the guest is told.

    def type(self, line: str) -> None:
        """Type a command and do not wait."""
        self.log("scenario", f"typed `{line}`")
        self.guest.type(line)

    def shell(self, line: str, status: int | None = 0) -> Reply:
        """Type a command and run until the next prompt.

        Args:
            line: the command.
            status: how it must end, 0 or a negative errno; None for any.

        Raises:
            ScenarioError: it ended otherwise, or the machine stopped.
        """
        return self._call(line, lambda: self.guest.shell(line), status)

    def finish(self, status: int | None = 0) -> Reply:
        """Run until the command that was typed is done, which must end with `status`; see `shell`."""
        return self._call("the command", self.guest.reply, status)

    def enable_swap(self) -> None:
        """Make swap on the disk and use it."""
        for line in self.guest.swap_commands():
            self.shell(line)

    def touch(self, pages: int) -> None:
        """Have the guest fill pages with a pattern; the world remembers what `verify` must find."""
        reply = self._call(f"touch {pages} pages", lambda: self.guest.touch(pages))
        self.world.workload = self.guest.workload(reply)

    def release(self) -> None:
        """Have the guest free the touched pages."""
        self._call("release the touched pages", self.guest.release)
        self.world.workload = Workload(0, "", 0)

    def verify(self) -> None:
        """Have the guest check its touched pages; a finding unless all are there and right."""
        found = self.guest.workload(self._call("verify the touched pages", self.guest.verify, status=None))
        wanted = self.world.workload
        self.world.check(found.bad == 0, f"{found.bad} of {found.pages} touched pages are wrong")
        self.world.check(found.pages == wanted.pages, f"{found.pages} pages are touched, not {wanted.pages}")
        if wanted.pages:
            same = found.fingerprint == wanted.fingerprint
            self.world.check(same, f"fingerprint {found.fingerprint}, not {wanted.fingerprint}")

    # Hibernation.

    def start_hibernation(self, carrier: Carrier | None = None) -> None:
        """Type the command that hibernates, by the world's carrier or another, and do not wait."""
        self.type(self.guest.hibernate_command(carrier or self.world.carrier))

    def hibernate(self, carrier: Carrier | None = None) -> None:
        """Hibernate and switch off.

        Raises:
            ScenarioError: the guest did not go to sleep.
        """
        self.start_hibernation(carrier)
        console = self.machine.console
        console.watch(r"hibernation exit \((-?\d+)\)")
        stop = self._drive(lambda: self.machine.run(self.ns + PATIENCE_NS, lambda: console.match is not None))
        if self.on:
            self._fail("the guest did not go to sleep", stop)

    def hibernate_fails(self, status: int | None = None, carrier: Carrier | None = None) -> None:
        """Hibernate, which must fail and leave the guest at its prompt.

        Args:
            status: the negative errno that the guest must report; None for any.
            carrier: the world's, or another.

        Raises:
            ScenarioError: it went to sleep, or failed with another error.
        """
        line = self.guest.hibernate_command(carrier or self.world.carrier)
        reply = self.shell(line, status)
        if reply.status == 0:
            raise ScenarioError(f"`{line}` ended with 0: a hibernation that must fail did not")

    # Judging.

    def take_books(self, label: str) -> books.Entry:
        """Take both sides' books; the guest must stand at its prompt."""
        try:
            entry = books.Entry(label, self.ns, self.guest.books(), books.host_books(self.machine))
        except KeyError as error:
            raise ScenarioError(f"the guest's books cannot be read: {error}") from None
        self.log("scenario", f"books: {label}")
        return entry

    def balance(self, label: str, leak: int = 0) -> books.Entry:
        """Take both sides' books and compare them: page by page, and with the first that this world balanced.

        Args:
            label: what has just happened.
            leak: pages that this era is known to have leaked since then.

        Returns:
            The entry; each difference is a finding.
        """
        entry = self.take_books(label)
        self.world.first_entry = first = self.world.first_entry or entry
        for total in books.balance([first, entry], leak):
            if total.label == label:
                self.world.find(f"{label}: {total.text}")
        self.ledger.entry(label)
        findings = self.ledger.findings()
        for page in findings[self._differences_told :]:
            if page.kind is not Kind.LEAKED or not leak:
                self.world.find(page.text)
        self._differences_told = len(findings)
        if leak:
            self.world.check(self.leaked() == leak, f"{label}: {self.leaked()} pages leaked, not {leak}")
        return entry

    def leaked(self) -> int:
        """Count the pages that the ledger has found in use and nobody's."""
        leaks = [finding.pages for finding in self.ledger.findings() if finding.kind is Kind.LEAKED]
        return int(np.count_nonzero(np.any(leaks, axis=0))) if leaks else 0

    def balloon_queues(self) -> int:
        """Count the balloon's queues that the device may use (spec: "QueueReady")."""
        transport = self.machine.save()[f"virtio{self.machine.config.balloon_slot}"]
        return sum(bool(queue["ring"]) for queue in transport["queues"])

    def log(self, side: str, text: str) -> None:
        """Enter a step, after what the guest has printed until now."""
        lines = self.machine.console.lines
        events = self.world.journal.events
        events += [Event(self.number, line.ns, "guest", line.text) for line in lines[self._lines_told :]]
        self._lines_told = len(lines)
        events.append(Event(self.number, self.ns, side, text))

    def said(self, text: str) -> bool:
        """Whether the guest has printed `text`."""
        return text in self.machine.console.text()

    # Inside.

    def _call(self, what: str, command: Callable[[], Reply], status: int | None = 0) -> Reply:
        replies: list[Reply] = []

        def drive() -> Stop:
            replies.append(command())
            return replies[0].stop

        self._expect(self._drive(drive), StopReason.CONDITION, what)
        reply = replies[0]
        self.log("scenario", f"{what}: {reply.status}")
        if status is not None and reply.status != status:
            self._fail(f"`{what}` ended with {reply.status}, not {status}", reply.stop)
        return reply

    def _drive(self, go: Callable[[], Stop]) -> Stop:
        """Let the machine run, and take note when that was its end."""
        if not self.on:
            raise ScenarioError(f"machine {self.number} is off")
        try:
            stop = go()
        except PowerCutError as cut:
            self._cut(str(cut))
            return Stop(StopReason.POWEROFF, self.ns, str(cut))
        finally:
            self._tell_offences()
        if stop.reason in (StopReason.POWEROFF, StopReason.HIBERNATE):
            self.stop = stop
            self.world.keep_host_image(self if stop.reason is StopReason.HIBERNATE else None)
            self._end(f"off: {stop.reason.name}")
        return stop

    def _tell_offences(self) -> None:
        """Make findings of what the sanitizer has found since it was last asked."""
        sanitizer = self.machine.sanitizer
        if sanitizer is not None:
            for offence in sanitizer.findings[self._offences_told :]:
                self.world.find(sanitizer.headline(offence))
            self._offences_told = len(sanitizer.findings)

    def _cut(self, text: str) -> None:
        if self.disk is not None:
            self.world.disk = self.disk.after_power_cut(self.world.cached_writes_kept(self.disk))
        self._end(text)

    def _raise_power_cut(self) -> Never:
        raise PowerCutError(f"power cut at {self.ns / MS:.6f} ms")

    def _end(self, text: str) -> None:
        self.log("host", text)
        if self.disk is not None and self.stop is not None:
            self.world.disk = bytes(self.disk.data)
        self.on = False

    def _expect(self, stop: Stop, reason: StopReason, what: str) -> None:
        if stop.reason is not reason:
            self._fail(f"waited for {what}", stop)

    def _fail(self, text: str, stop: Stop) -> Never:
        self.log("host", text)
        tail = "\n".join(self.machine.console.text().splitlines()[-_CONSOLE_TAIL:])
        raise ScenarioError(f"{text}: {describe(self.machine, stop)}\nThe guest's last words:\n{tail}")
