"""One machine of a scenario: what is done to it, what its guest is told, and how both are judged.

What is compared and differs is a finding, and the scenario goes on.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from devices.memory import PAGE_SIZE
from devices.virtio.balloon import HintState
from hv import books
from hv.hibernate import Carrier
from hv.ledger import Kind, Ledger
from hv.machine import Machine
from hv.misbehave import fault
from hv.scenario.drive import Drive, ScenarioError
from hv.scenario.place import CannotError, GuestMachine, Medium
from hv.shell import Reply, Workload
from hv.stop import Stop, StopReason

if TYPE_CHECKING:
    from hv.scenario.world import World


class Run(Drive):
    """One machine and the guest in it. Made by `World.power_on`, which see."""

    def __init__(self, world: "World", number: int, host: GuestMachine, medium: Medium | None) -> None:
        super().__init__(world, number, host, medium)
        self._ledger = Ledger(host) if isinstance(host, Machine) else None
        self._differences_told = 0

    @property
    def ledger(self) -> Ledger:
        """Both sides' books, page by page; raises CannotError where the guest's memory cannot be read."""
        if self._ledger is None:
            raise CannotError("both sides' books page by page")
        return self._ledger

    def set_target(self, pages: int, at_ns: int | None = None) -> None:
        """Set the host's target, which the world keeps; now, or at a virtual time of this run."""

        def act() -> None:
            self.world.target = pages
            self.host.set_balloon_target(pages)
            self.log("host", f"balloon target set to {pages} pages")

        if at_ns is None:
            act()
        else:
            self.ours("an act of the host's at a given time").at(at_ns, act)

    def misbehave(self, text: str) -> None:
        """Have a device commit a fault, `DEVICE:FAULT[=VALUE][@WHEN][+]`; see `hv.misbehave.fault`."""
        self.ours("a device that misbehaves").misbehave(fault(text))
        self.log("host", f"misbehaviour: {text}")

    def behave(self) -> None:
        """Have all devices work as they should, from now on."""
        self.machine.behave()
        self.log("host", "no misbehaviour any more")

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

    def disable_swap(self) -> None:
        """Use no swap any more."""
        self.shell(self.guest.swap_off_command())

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

    def _call(self, what: str, command: Callable[[], Reply], status: int | None = 0) -> Reply:
        replies: list[Reply] = []

        def drive() -> Stop:
            replies.append(command())
            return replies[0].stop

        self.expect(self.drive(drive), StopReason.CONDITION, what)
        reply = replies[0]
        self.log("scenario", f"{what}: {reply.status}")
        if status is not None and reply.status != status:
            self.fail(f"`{what}` ended with {reply.status}, not {status}", reply.stop)
        return reply

    # What the guest's driver is asked for.

    def ask_stats(self) -> dict[str, int]:
        """Ask the driver for fresh statistics, and run until they have come.

        Raises:
            ScenarioError: nobody could be asked, or no answer came.
        """
        received = self.balloon.stats_received
        if not self.balloon.request_stats():
            raise ScenarioError("the driver has not negotiated statistics")
        self.until(lambda: self.balloon.stats_received > received, "statistics have come")
        return dict(self.balloon.stats or {})

    def ask_hints(self) -> int:
        """Begin a round of hinting and run until the driver has no more; return how many pages are hinted.

        Raises:
            ScenarioError: nobody could be asked, or the round did not end.
        """
        if not self.balloon.start_hinting():
            raise ScenarioError("the driver has not negotiated hints")
        self.until(lambda: self.balloon.hint_state is HintState.COMPLETE, "the driver has hinted all it has")
        return int(np.count_nonzero(self.balloon.hinted))

    def host_pages(self) -> int:
        """Return the pages of host memory that guest RAM takes."""
        return self.host.memory.resident_bytes() // PAGE_SIZE

    # Hibernation.

    def start_hibernation(self, carrier: Carrier | None = None) -> None:
        """Type the command that hibernates, by the world's carrier or another, and do not wait."""
        self.type(self._hibernate_command(carrier))

    def hibernate(self, carrier: Carrier | None = None) -> None:
        """Hibernate and switch off.

        Raises:
            ScenarioError: the guest did not go to sleep.
        """
        self.start_hibernation(carrier)
        stop = self.drive(lambda: self.guest.reply().stop)
        if self.on:
            self.fail("the guest did not go to sleep", stop)

    def hibernate_fails(self, status: int | None = None, carrier: Carrier | None = None) -> None:
        """Hibernate, which must fail and leave the guest at its prompt.

        Args:
            status: the negative errno that the guest must report; None for any.
            carrier: the world's, or another.

        Raises:
            ScenarioError: it went to sleep, or failed with another error.
        """
        line = self._hibernate_command(carrier)
        reply = self.shell(line, status)
        if reply.status == 0:
            raise ScenarioError(f"`{line}` ended with 0: a hibernation that must fail did not")

    def _hibernate_command(self, carrier: Carrier | None) -> str:
        carrier = carrier or self.world.carrier
        if carrier not in self.world.place.carriers:
            raise CannotError(f"an image that the {carrier.value} carries")
        return self.guest.hibernate_command(carrier)

    # Judging.

    def take_books(self, label: str) -> books.Entry:
        """Take both sides' books; the guest must stand at its prompt."""
        try:
            entry = books.Entry(label, self.ns, self.guest.books(), books.host_books(self.host))
        except KeyError as error:
            raise ScenarioError(f"the guest's books cannot be read: {error}") from None
        self.log("scenario", f"books: {label}")
        return entry

    def balance(self, label: str, leak: int = 0) -> books.Entry:
        """Take both sides' books and compare them: with the first of this world, and here also page by page.

        Args:
            label: what has just happened.
            leak: pages that this era is known to have leaked since then.

        Returns:
            The entry; each difference is a finding.
        """
        entry = self.take_books(label)
        self.world.first_entry = first = self.world.first_entry or entry
        for total in books.balance([first, entry], leak, self.guest.own_pages):
            if total.label == label:
                self.world.find(f"{label}: {total.text}")
        if self._ledger is not None:
            self._compare_pages(self._ledger, label, leak)
        return entry

    def _compare_pages(self, ledger: Ledger, label: str, leak: int) -> None:
        """Compare both sides' books page by page; each difference is a finding, but for the known leak."""
        ledger.entry(label)
        findings = ledger.findings()
        for page in findings[self._differences_told :]:
            if page.kind is not Kind.LEAKED or not leak:
                self.world.find(page.text)
        self._differences_told = len(findings)
        if leak:
            self.world.check(self.leaked() == leak, f"{label}: {self.leaked()} pages leaked, not {leak}")

    def leaked(self) -> int:
        """Count the pages that the ledger has found in use and nobody's."""
        leaks = [finding.pages for finding in self.ledger.findings() if finding.kind is Kind.LEAKED]
        return int(np.count_nonzero(np.any(leaks, axis=0))) if leaks else 0

    def balloon_queues(self) -> int:
        """Count the balloon's queues that the device may use (spec: "QueueReady")."""
        return self.balloon.queues_in_use
