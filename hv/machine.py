"""The machine: board, hart and devices put together, and the loop that runs them.

Theory of operation. The hart executes until something needs the host: a device was written to (`kick`), the
watched console line came, the virtual time is up, the guest cannot go on. Between two slices, and only
there, the devices do their work (DMA inside an access would change code under the block that is running),
then the caller's condition is looked at, then the hart goes on. Every one of these moments is fixed by the
guest's own instructions, so a run is a function of its inputs however it is sliced.

A guest that dies ends in a `Stop` with a report (`hv.report`), never in an exception.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from devices.errors import DeviceError
from devices.forked_memory import ForkedMemory
from devices.memory import GuestMemory, GuestMemoryError
from devices.state import Fields, State, StateError
from devices.virtio.backends import BackendError, BlockBackend, FileBackend
from devices.virtio.forked_backend import ForkedBackend
from devices.virtio.forked_backend import freeze as freeze_disk
from devices.virtio.slot import Slot
from hv import board
from hv.agenda import Agenda, Timed
from hv.config import Disk, MachineConfig, plan
from hv.cpu import Hart, HartStop
from hv.errors import ConfigError, HostError, ImageError
from hv.hostimage.identity import MachineIdentity
from hv.loader import BootPlan
from hv.misbehave import Fault, Misbehaviour
from hv.moment import Moment, freeze_ram
from hv.onlookers import Onlookers
from hv.signals import HeldBack
from hv.statspolling import StatsPolling
from hv.stop import Stop, StopReason
from hv.wiring import Wiring

SIGNALS_NS = 100_000_000
"""Virtual time after which a run looks for signals: Ctrl-C must end it, however busy the guest is."""


POWER_BUTTON_NS = 100_000_000
"""How long the power button is held: longer than a driver takes a press for a bounce (QEMU's `gpio-key`)."""

_STOPS = {
    HartStop.BUDGET: StopReason.BUDGET,
    HartStop.IDLE: StopReason.IDLE,
    HartStop.BREAK: StopReason.BREAK,
}
"""How the hart's stops end a run; REQUESTED does not, and FAULT needs a word more."""


class Machine:
    """One machine, from the device tree up. Use it as a context manager: it holds a hart and open disks.

    Attributes:
        config: what it was built from.
        boot: its images and where they lie.
        memory: guest RAM.
        hart: the CPU.
        console: what the guest printed, and what we wait to see.
        uart: where typed bytes go in (`receive`).
        serial: both of them.
        channel: the line of the virtio-console, or None.
        balloon: the balloon device, or None.
        stats_polling: asks the balloon's driver for statistics at an interval; None without a balloon.
        disks: the virtio-blk devices, in the order of the configuration.
        sanitizer: the balloon sanitizer, or None.
        monitor: what watches the guest's drivers, or None.

    Args:
        config: what to build.
        memory: RAM with contents (a thawed host image); None for fresh RAM with the images loaded.
        boot: its images, when they have been read already.

    Raises:
        ConfigError: the parts do not fit together.
        ImageError: a file is refused.
        HostError: the host cannot run it.
    """

    def __init__(
        self, config: MachineConfig, memory: GuestMemory | None = None, boot: BootPlan | None = None
    ) -> None:
        self.config = config
        self.boot = boot or plan(config)
        self._closing = ExitStack()
        self._misbehaviours: dict[str, Misbehaviour] = {}
        self._origin: tuple[ForkedMemory, list[ForkedBackend], State] | None = None
        try:
            self._backends = [self._open(disk) for disk in config.disks]
            self.memory = memory or _allocate(config.ram)
            self._closing.callback(self.memory.close)
            if memory is None:
                self.boot.install(self.memory)
            self.hart = Hart(self.memory)
            self._closing.callback(self.hart.close)
            self._wiring = wiring = Wiring(config, self._backends, self.hart, self.memory)
            self._closing.callback(wiring.close)
            self.console, self.uart = wiring.console, wiring.uart
            self.serial, self.channel = wiring.serial, wiring.channel
            self.balloon, self.disks = wiring.balloon, wiring.disks
            self.stats_polling = None if self.balloon is None else StatsPolling(self.balloon)
            self._agenda = Agenda()
            self._timed: list[Timed] = [
                part for part in (wiring.rtc, self._agenda, self.stats_polling) if part is not None
            ]
            self._onlookers = Onlookers(config, self.hart, self.memory, wiring.devices.values(), wiring.slots)
            self.sanitizer, self.monitor = self._onlookers.sanitizer, self._onlookers.monitor
            if self.monitor is not None and memory is not None:
                self.monitor.meet()
            if config.balloon:
                self.set_balloon_target(config.balloon)
            for fault in config.misbehave:
                self.misbehave(fault)
            self._start_polling()
        except BaseException:
            self._closing.close()
            raise
        self.hart.reset(self.boot.pc, self.boot.a0, self.boot.a1, self.boot.a2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def slot(self, device: str) -> Slot:
        """Return the slot of `balloon`, `disk`, `disk1` and so on, to watch; raises ConfigError."""
        return self._wiring.transport(device)

    def close(self) -> None:
        """Give hart, RAM and disks back; the machine cannot run any more, and its RAM is lost."""
        self._closing.close()

    @property
    def now_ns(self) -> int:
        """Virtual time since power-on."""
        return self.hart.now_ns

    def run(self, until_ns: int, until: Callable[[], bool] = lambda: False) -> Stop:
        """Run until something ends the run.

        Args:
            until_ns: virtual time at which the budget is spent.
            until: the caller's condition, looked at before the first instruction and then each time a device
                was written to or a watched console line came.

        Returns:
            How it ended. An IDLE machine needs input from the host: nothing in it will ever happen by itself.
        """
        with HeldBack() as signals:
            return self._run(until_ns, until, signals)

    def _run(self, until_ns: int, until: Callable[[], bool], signals: HeldBack) -> Stop:
        while not until():
            now = self.now_ns
            off = self._wiring.switch.stop(now)
            if off is not None:  # and it stays off
                return off
            due = self._next_due_ns()
            soon = min(until_ns, now + SIGNALS_NS)
            stop = self.hart.run(soon if due is None else min(soon, due))
            signals.deliver()
            if stop is HartStop.IDLE and due is not None:
                self.hart.advance(min(due, until_ns))
                stop = HartStop.BUDGET
            now = self.now_ns
            for timed in self._timed:
                timed.advance(now)
            if self.monitor is not None:
                self.monitor.look()
            for transport in self._wiring.transports:
                transport.service()
            if self.monitor is not None:
                self.monitor.look()
            if self.stats_polling is not None:
                self.stats_polling.look(now)
            finding = None if self.sanitizer is None else self.sanitizer.take_stop()
            if finding is not None:
                return Stop(StopReason.FINDING, now, finding.offence.value)
            off = self._wiring.switch.stop(now)
            if off is not None:
                return off
            if stop is HartStop.FAULT:
                return Stop(StopReason.GUEST_FAULT, now, str(self.hart.fault))
            if stop in _STOPS and (stop is not HartStop.BUDGET or now >= until_ns):
                return Stop(_STOPS[stop], now)
        return Stop(StopReason.CONDITION, self.now_ns)

    def at(self, ns: int, action: Callable[[], None]) -> None:
        """Have the host do something at a virtual time, whatever the guest is doing then.

        Args:
            ns: virtual time; one that has passed means when the machine next runs.
            action: called between two instructions; what it raises comes out of `run`.
        """
        self._agenda.enter(ns, action)

    def press_power_button(self) -> None:
        """Press the power button now, and soon let it go; what comes of it is the guest's business."""
        self._wiring.gpio.set_level(True)
        self.at(self.now_ns + POWER_BUTTON_NS, lambda: self._wiring.gpio.set_level(False))

    def _next_due_ns(self) -> int | None:
        """When the host has to do something of its own accord."""
        deadlines = (timed.next_deadline_ns() for timed in self._timed)
        return min((ns for ns in deadlines if ns is not None), default=None)

    def _start_polling(self) -> None:
        """Ask for statistics as the configuration says."""
        if self.stats_polling is not None:
            self.stats_polling.start(self.config.balloon_stats_ns, self.now_ns)

    def set_balloon_target(self, pages: int) -> None:
        """Set the host's target, at this virtual time.

        Args:
            pages: size of the balloon.

        Raises:
            ConfigError: the machine has no balloon, or not so many pages.
        """
        if self.balloon is None:
            raise ConfigError("this machine has no balloon device")
        if not 0 <= pages <= self.config.ram // board.PAGE_SIZE:
            total = self.config.ram // board.PAGE_SIZE
            raise ConfigError(
                f"a balloon of {pages} pages: RAM has {total}; give a smaller --balloon, or a larger -m"
            )
        self.balloon.set_target(pages)

    def misbehave(self, fault: Fault) -> None:
        """Have a device commit a fault.

        Raises:
            ConfigError: there is no such device.
        """
        if fault.device not in self._misbehaviours:
            transport = self._wiring.transport(fault.device)
            self._misbehaviours[fault.device] = Misbehaviour(self, transport, self.memory)
        self._misbehaviours[fault.device].inject(fault)

    def behave(self) -> None:
        """Have all devices work as they should, from now on."""
        for misbehaviour in self._misbehaviours.values():
            misbehaviour.behave()

    def identity(self) -> MachineIdentity:
        """Return what must be the same in a machine that resumes this one's host image.

        Raises:
            ImageError: a disk cannot be read.
        """
        in_config = {id(device): disk for device, disk in zip(self.disks, self.config.disks, strict=True)}
        by_slot = [id(device) for _, device in sorted(self._wiring.devices.items())]
        return MachineIdentity(
            ram_base=board.DRAM_BASE,
            ram_size=self.config.ram,
            slots=self._wiring.device_ids(),
            legacy_virtio=self.config.legacy_virtio,
            firmware=self.boot.firmware,
            kernel=self.boot.kernel,
            disks=tuple(in_config[device].identify() for device in by_slot if device in in_config),
        )

    def save(self) -> State:
        """Return the state of hart and devices as plain data; RAM, disks and the agenda are not in it."""
        return {name: part.save() for name, part in self._wiring.parts.items()}

    def restore(self, state: object) -> None:
        """Take over what `save` returned; RAM must have the contents of then.

        Raises:
            StateError: names the field; the machine is of no use any more.
        """
        fields = Fields(state, "machine", tuple(self._wiring.parts))
        for name, part in self._wiring.parts.items():
            part.restore(fields.value(name))
        self._onlookers.restart()
        self._start_polling()

    def freeze(self) -> Moment:
        """Keep this moment in memory, for any number of forks; the machine may go on.

        Raises:
            HostError: the host has no memory for it, or a disk cannot be read.
        """
        try:
            return Moment(
                self.save(), freeze_ram(self.memory), tuple(freeze_disk(disk) for disk in self._backends)
            )
        except DeviceError as error:
            raise HostError(f"cannot freeze the machine: {error}") from None

    def fork(self, moment: Moment | None = None) -> "Machine":
        """Make another machine that goes on from a moment of this one, as this one would have.

        It shares memory with the moment until it writes; what it writes to its disks stays in memory. Its
        console begins with the line that was being printed.

        Args:
            moment: what `freeze` returned; None for now.

        Raises:
            ConfigError: the moment is of a machine with other parts.
            HostError: the host cannot run it.
        """
        moment = moment or self.freeze()
        if (moment.ram.size, len(moment.disks)) != (self.config.ram, len(self.config.disks)):
            raise ConfigError("that moment is of a machine with other RAM or disks; fork the one it is of")
        try:
            memory = ForkedMemory(board.DRAM_BASE, moment.ram)
            backends = [ForkedBackend(frozen) for frozen in moment.disks]
        except DeviceError as error:
            raise HostError(f"cannot fork the machine: {error}") from None
        disks = tuple(
            replace(disk, backend=backend) for disk, backend in zip(self.config.disks, backends, strict=True)
        )
        fork = Machine(replace(self.config, disks=disks), memory, self.boot)

        try:
            fork.restore(moment.state)
        except StateError as error:
            fork.close()
            raise ConfigError(
                f"that moment is of a machine with other parts ({error}); fork the one it is of"
            ) from None
        fork._origin = (memory, backends, moment.state)
        return fork

    def rewind(self) -> None:
        """Take a fork back to the moment that it began at, in time for the pages that it wrote to.

        Raises:
            ConfigError: this machine is no fork.
        """
        if self._origin is None:
            raise ConfigError("only a fork can be rewound: call fork() first")
        memory, backends, state = self._origin
        self._agenda.clear()
        memory.rewind()
        for backend in backends:
            backend.rewind()
        self.restore(state)

    def ram_sha256(self) -> str:
        """Hash all of guest RAM."""
        return self.memory.sha256()

    def _open(self, disk: Disk) -> BlockBackend:
        if disk.backend is not None:
            return disk.backend
        try:
            backend = FileBackend(disk.path)
        except BackendError as error:
            raise ImageError(str(error)) from None
        self._closing.callback(backend.close)
        return backend


def _allocate(size: int) -> GuestMemory:
    try:
        return GuestMemory.allocate(board.DRAM_BASE, size)
    except GuestMemoryError as error:
        raise HostError(f"no memory for the guest: {error}; give -m less") from None
