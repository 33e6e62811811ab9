"""A machine as the host operates it: run, paused, reset, ended; and every input on its way into it.

`Vm.enter` is the only way in for what comes from outside while a guest runs (keys, balloon targets, the power
button), so one place records it and one place does it. `hv.replay` enters the same again at the same virtual
times. What a monitor wants to hear of is told to `listeners` as it happens.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, NamedTuple, Self

from hv import board
from hv.inputs import End, Input, Keys, PollStats, PowerButton, Recorder, Reset, Target
from hv.machine import Machine
from hv.stop import Stop, StopReason

SECOND_NS = 1_000_000_000

Listener = Callable[[str, dict[str, Any]], None]
"""Is told of an event: name and data, as QEMU's QMP has them."""


class Cause(Enum):
    """Why a run ended; the values are QMP's (`ShutdownCause`)."""

    GUEST_SHUTDOWN = "guest-shutdown"
    GUEST_RESET = "guest-reset"
    GUEST_PANIC = "guest-panic"
    HOST_QMP_QUIT = "host-qmp-quit"
    HOST_QMP_SYSTEM_RESET = "host-qmp-system-reset"
    HOST_UI = "host-ui"
    HOST_SIGNAL = "host-signal"

    @property
    def data(self) -> dict[str, Any]:
        """The data of the event that tells of it."""
        return {"guest": self.value.startswith("guest-"), "reason": self.value}


class Ending(NamedTuple):
    """The end of a run.

    Attributes:
        cause: why.
        stop: how the machine stopped; None when the host ended the run.
    """

    cause: Cause
    stop: Stop | None = None

    @property
    def resets(self) -> bool:
        """Whether the machine boots again."""
        return self.cause in (Cause.GUEST_RESET, Cause.HOST_QMP_SYSTEM_RESET)


_CAUSES = {
    StopReason.POWEROFF: Cause.GUEST_SHUTDOWN,
    StopReason.HIBERNATE: Cause.GUEST_SHUTDOWN,
    StopReason.RESET: Cause.GUEST_RESET,
    StopReason.GUEST_FAULT: Cause.GUEST_PANIC,
    StopReason.FINDING: Cause.GUEST_PANIC,
}
"""The stops that end a run; after any other it goes on."""


class Vm:
    """One machine from power-on to power-off, through its resets. A context manager, which closes it.

    Args:
        machine: where to begin.
        recorder: where the inputs are written down; None for nowhere.
        console: gets what the guest prints; None for nobody.

    Attributes:
        machine: the machine; another one after a reset.
        boot: how often it has been reset.
        paused: it must not run.
        ending: why and how the run ended; None while it goes on.
        listeners: who is told of events.
        stats_updated_s: when the driver last gave statistics, in seconds of the host's time since 1970; 0 for
        never. For people: it depends on the host.
    """

    def __init__(
        self,
        machine: Machine,
        recorder: Recorder | None = None,
        console: Callable[[bytes], None] | None = None,
    ) -> None:
        self.machine = machine
        self._console = console
        self._connect()
        self.boot = 0
        self.paused = False
        self.ending: Ending | None = None
        self.listeners: list[Listener] = []
        self._recorder = recorder
        self._actual = self._actual_pages()
        self._stats_seen = 0
        self.stats_updated_s = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        ending = self.ending or Ending(Cause.HOST_SIGNAL)
        self.emit("SHUTDOWN", ending.cause.data)
        self.machine.close()

    def emit(self, event: str, data: dict[str, Any] | None = None) -> None:
        """Tell all listeners of an event."""
        for listener in self.listeners:
            listener(event, data or {})

    def run(self, until_ns: int) -> Stop:
        """Run to a virtual time, or until `ending` is set, or until only the host can wake the guest."""
        stop = self.machine.run(until_ns)
        self._look_at_balloon()
        cause = _CAUSES.get(stop.reason)
        if cause is not None:
            self._end(cause, stop)
        return stop

    def enter(self, given: Input) -> None:
        """Do an input now, between two instructions of the guest, and write it down.

        Raises:
            ConfigError: the machine cannot do it (a target, but no balloon).
            HostError: it cannot be written down.
        """
        if self._recorder is not None:
            self._recorder.write(self.boot, self.machine.now_ns, given)
        match given:
            case Keys(text):
                terminal = self.machine.channel or self.machine.serial
                terminal.type(text.encode("latin-1", "replace"))
            case Target(pages):
                self.machine.set_balloon_target(pages)
            case PollStats(seconds):
                if self.machine.stats_polling is not None:
                    self.machine.stats_polling.start(seconds * SECOND_NS, self.machine.now_ns)
            case PowerButton():
                self.emit("POWERDOWN")
                self.machine.press_power_button()
            case Reset():
                self._end(Cause.HOST_QMP_SYSTEM_RESET)

    def pause(self) -> None:
        """Stand still: the guest does not notice."""
        if not self.paused:
            self.paused = True
            self.emit("STOP")

    def resume(self) -> None:
        """Go on."""
        if self.paused:
            self.paused = False
            self.emit("RESUME")

    def leave(self, cause: Cause) -> None:
        """End the run because the host wants it."""
        self._end(cause)

    def reset(self) -> None:
        """Make the machine that boots next, of the same parts; what the host wants of the balloon stays."""
        assert self.ending is not None, "a run ends before its machine is reset"
        self.emit("RESET", self.ending.cause.data)
        balloon, polling = self.machine.balloon, self.machine.stats_polling
        config = self.machine.config
        if balloon is not None and polling is not None:
            config = replace(config, balloon=balloon.target_pages, balloon_stats_ns=polling.interval_ns)
        self.machine.close()
        self.machine = Machine(config)
        self._connect()
        self.boot += 1
        self.ending = None
        self._actual = self._actual_pages()
        self._stats_seen = self.stats_updated_s = 0

    def record_end(self) -> None:
        """Write down where the run ended, so that a replay can tell whether it came to the same."""
        if self._recorder is not None:
            self.enter(End(self.machine.ram_sha256()))

    def ram_left(self) -> int:
        """Bytes of RAM that are not in the balloon, by the driver's claim: QEMU's `actual`."""
        return self.machine.config.ram - self._actual_pages() * board.PAGE_SIZE

    def _connect(self) -> None:
        """Show what the guest prints, on its serial line and on its virtio-console."""
        self.machine.console.sink = self._console
        if self.machine.channel is not None:
            self.machine.channel.console.sink = self._console

    def _look_at_balloon(self) -> None:
        """Take note of what the driver has said in the last slice."""
        if self._actual != (actual := self._actual_pages()):
            self._actual = actual
            self.emit("BALLOON_CHANGE", {"actual": self.ram_left()})
        balloon = self.machine.balloon
        if balloon is not None and balloon.stats_received != self._stats_seen:
            self._stats_seen = balloon.stats_received
            self.stats_updated_s = int(time.time())

    def _actual_pages(self) -> int:
        balloon = self.machine.balloon
        return 0 if balloon is None else balloon.actual_pages

    def _end(self, cause: Cause, stop: Stop | None = None) -> None:
        if self.ending is None:
            self.ending = Ending(cause, stop)
