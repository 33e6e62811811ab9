"""How a scenario lets one machine run: until a condition holds, a time has come, the power is off.

A drive that does not end as its author said (a condition does not come, the guest dies) raises ScenarioError:
the scenario breaks off there, with the guest's report.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Never

from devices.virtio.backends import PowerCutBackend, PowerCutError
from devices.virtio.balloon import Balloon
from hv.machine import Machine
from hv.monitor import Verdicts
from hv.report import describe
from hv.scenario.guest import Guest
from hv.scenario.journal import Event
from hv.scenario.place import CannotError, GuestMachine, Medium
from hv.stop import Stop, StopReason

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


class Drive:
    """One machine from power-on to power-off.

    Attributes:
        world: where it runs.
        number: from 1.
        host: the machine, as far as there is one everywhere (`hv.scenario.place`).
        guest: the kernel inside.
        stop: how the machine ended; None while it is on, and when the power was cut.
        on: whether it still runs.
        verdicts: what the monitor has seen of the guest's drivers, up to the end of the last drive.
    """

    def __init__(self, world: "World", number: int, host: GuestMachine, medium: Medium | None) -> None:
        self.world = world
        self.number = number
        self.host = host
        self.guest: Guest = world.guest(host)
        self._medium = medium
        self.stop: Stop | None = None
        self.on = True
        self._lines_told = 0
        self._offences_told = 0
        self.verdicts = Verdicts()
        self._breaches_told = 0

    @property
    def ns(self) -> int:
        """Its time since power-on, which is virtual here."""
        return self.host.now_ns

    @property
    def balloon(self) -> Balloon:
        """The balloon device: the host's side. Elsewhere what it does not tell raises CannotError."""
        assert self.host.balloon is not None, "every machine of a scenario has a balloon"
        return self.host.balloon

    @property
    def machine(self) -> Machine:
        """The machine, for what this class has no word for; raises CannotError where it is not ours."""
        return self.ours("a look into the machine")

    def ours(self, what: str) -> Machine:
        """Return our machine; raises CannotError, with what is not to be had, where it is somebody else's."""
        if not isinstance(self.host, Machine):
            raise CannotError(what)
        return self.host

    @property
    def disk(self) -> PowerCutBackend | None:
        """The disk as this machine has it (writes and flushes counted), or None; raises CannotError."""
        if self._medium is not None and not isinstance(self._medium, PowerCutBackend):
            raise CannotError("a look at the disk's writes and flushes")
        return self._medium

    def until(self, condition: Callable[[], bool], what: str, within_ns: int = PATIENCE_NS) -> None:
        """Run until a condition holds.

        Args:
            condition: looked at whenever the guest wrote to a device or completed a watched line.
            what: the condition in words, for the log.
            within_ns: virtual time allowed.

        Raises:
            ScenarioError: it did not come.
        """
        stop = self.drive(lambda: self.host.run(self.ns + within_ns, until=condition))
        self.expect(stop, StopReason.CONDITION, what)
        self.log("host", what)

    def until_line(self, pattern: str) -> None:
        """Run until the guest prints a line that matches a regular expression (see `Console.watch`)."""
        console = self.host.console
        console.watch(pattern, fresh=True)
        self.until(lambda: console.match is not None, f"the guest printed {pattern!r}")

    def until_ns(self, ns: int) -> None:
        """Run until a virtual time, or until the machine ends."""
        reached: list[int] = []
        self.host.at(ns, lambda: reached.append(ns))
        self.drive(lambda: self.host.run(max(ns, self.ns) + MS, until=lambda: bool(reached)))

    def until_prompt(self) -> None:
        """Run until the guest's shell waits for a command."""
        self.expect(self.drive(self.guest.until_prompt), StopReason.CONDITION, "the prompt")
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
        stop = self.drive(lambda: self.host.run(self.ns + PATIENCE_NS))
        if self.on:
            self.fail(f"waited for the power to go off, the machine stopped with {stop.reason.name}", stop)

    def cut_power(self, at_ns: int | None = None) -> None:
        """Take the power away; now, or at a virtual time of this run, wherever that comes.

        What the disk had in its cache is lost (`World.cached_writes_kept` says otherwise).
        """
        if at_ns is None:
            self._cut("power cut")
        else:
            self.ours("a power cut at a given time").at(at_ns, self._raise_power_cut)

    def log(self, side: str, text: str) -> None:
        """Enter a step, after what the guest has printed until now."""
        lines = self.host.console.lines
        events = self.world.journal.events
        events += [Event(self.number, line.ns, "guest", line.text) for line in lines[self._lines_told :]]
        self._lines_told = len(lines)
        events.append(Event(self.number, self.ns, side, text))

    def said(self, text: str) -> bool:
        """Whether the guest has printed `text`."""
        return text in self.host.console.text()

    def drive(self, go: Callable[[], Stop]) -> Stop:
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
            self._tell_breaches()
        if stop.reason in (StopReason.POWEROFF, StopReason.HIBERNATE):
            self.stop = stop
            self.world.keep_host_image(self if stop.reason is StopReason.HIBERNATE else None)
            self._end(f"off: {stop.reason.name}")
        return stop

    def expect(self, stop: Stop, reason: StopReason, what: str) -> None:
        """Go on only if the machine stopped for a reason; raises ScenarioError."""
        if stop.reason is not reason:
            self.fail(f"waited for {what}", stop)

    def fail(self, text: str, stop: Stop) -> Never:
        """Break off: raise ScenarioError with how the machine stands and what the guest said last."""
        self.log("host", text)
        tail = "\n".join(self.host.console.text().splitlines()[-_CONSOLE_TAIL:])
        raise ScenarioError(f"{text}: {self._describe(stop)}\nThe guest's last words:\n{tail}")

    # Inside.

    def _describe(self, stop: Stop) -> str:
        if isinstance(self.host, Machine):
            return describe(self.host, stop)
        return f"{stop.reason.name} after {stop.ns / 1e6:.0f} ms {stop.detail}".rstrip()

    def _tell_offences(self) -> None:
        """Make findings of what the sanitizer has found since it was last asked."""
        sanitizer = self.host.sanitizer if isinstance(self.host, Machine) else None
        if sanitizer is not None:
            for offence in sanitizer.findings[self._offences_told :]:
                self.world.find(sanitizer.headline(offence))
            self._offences_told = len(sanitizer.findings)

    def _tell_breaches(self) -> None:
        """Make findings of the clauses that were broken since the monitor was last asked."""
        monitor = self.host.monitor if isinstance(self.host, Machine) else None
        if monitor is None:
            return
        self.verdicts = monitor.verdicts
        for breach in self.verdicts.breaches[self._breaches_told :]:
            if breach.clause in self.world.known_breaches:
                self.log("host", f"expected of this driver: {breach.headline()}")
            else:
                self.world.find(breach.headline())
        self._breaches_told = len(self.verdicts.breaches)

    def _cut(self, text: str) -> None:
        if self.disk is not None:
            self.world.disk = self.disk.after_power_cut(self.world.cached_writes_kept(self.disk))
        self._end(text)

    def _raise_power_cut(self) -> Never:
        raise PowerCutError(f"power cut at {self.ns / MS:.6f} ms")

    def _end(self, text: str) -> None:
        self.log("host", text)
        if self._medium is not None and self.stop is not None:
            self.world.disk = bytes(self._medium.data)
        self.on = False
