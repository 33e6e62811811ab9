"""The machine: board, hart and devices put together, and the loop that runs them.

Theory of operation. The hart executes until something needs the host: a device was written to (`kick`), the
watched console line came, the virtual time is up, the guest cannot go on. Between two slices, and only
there, the devices do their work (DMA inside an access would change code under the block that is running),
then the caller's condition is looked at, then the hart goes on. Every one of these moments is fixed by the
guest's own instructions, so a run is a function of its inputs however it is sliced.

A guest that dies ends in a `Stop` with a report (`hv.report`), never in an exception.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from devices.clint import Clint
from devices.errors import DeviceError
from devices.forked_memory import ForkedMemory
from devices.gpio import SifiveGpio
from devices.memory import GuestMemory, GuestMemoryError
from devices.plic import Plic
from devices.power import Power, PowerAction, PowerRequest
from devices.rtc import GoldfishRtc
from devices.state import Fields, State, StateError, Stateful
from devices.uart import Uart
from devices.virtio.backends import BackendError, BlockBackend, FileBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.console import VirtioConsole
from devices.virtio.empty import EmptySlot
from devices.virtio.forked_backend import ForkedBackend
from devices.virtio.forked_backend import freeze as freeze_disk
from devices.virtio.legacy import LegacyMmio
from devices.virtio.mmio import VirtioMmio
from devices.virtio.rng import Rng
from devices.virtio.slot import Slot
from hv import board
from hv.agenda import Agenda, Timed
from hv.bus import Bus
from hv.config import Disk, MachineConfig, plan
from hv.console import Console, Terminal
from hv.cpu import Hart, HartStop
from hv.cpu.riscv import MEIP, MSIP, SEIP
from hv.errors import ConfigError, HostError, ImageError
from hv.hostimage.identity import MachineIdentity
from hv.loader import BootPlan
from hv.misbehave import Fault, Misbehaviour
from hv.moment import Moment, freeze_ram
from hv.onlookers import Onlookers
from hv.signals import HeldBack
from hv.slots import Part, assign
from hv.statspolling import StatsPolling
from hv.stop import Stop, StopReason

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
        self.balloon = None if config.balloon is None else Balloon(config.balloon_features)
        self.stats_polling = None if self.balloon is None else StatsPolling(self.balloon)
        self.channel: Terminal | None = None
        self._closing = ExitStack()
        self._power_request: PowerRequest | None = None
        self._transports: list[VirtioMmio | LegacyMmio] = []
        self._on_bus: dict[str, Slot] = {}
        self._parts: dict[str, Stateful] = {}
        self._misbehaviours: dict[str, Misbehaviour] = {}
        self._origin: tuple[ForkedMemory, list[ForkedBackend], State] | None = None
        self._agenda = Agenda()
        self._timed: list[Timed] = [part for part in (self._agenda, self.stats_polling) if part]
        try:
            self._backends = [self._open(disk) for disk in config.disks]
            self.disks = [Block(backend, f"thaw-{n}") for n, backend in enumerate(self._backends)]
            self.memory = memory or _allocate(config.ram)
            if memory is None:
                self.boot.install(self.memory)
            self.hart = Hart(self.memory)
            self._closing.callback(self.hart.close)
            self._wire()
            devices = [place.device for place in self._places]
            self._onlookers = Onlookers(config, self.hart, self.memory, devices, self._on_bus)
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

    def close(self) -> None:
        """Give the hart and the disks back; the machine cannot run any more."""
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
            if self._power_request is not None:  # it is off, and stays off
                return self._powered_off(self._power_request)
            due = self._next_due_ns()
            soon = min(until_ns, self.now_ns + SIGNALS_NS)
            stop = self.hart.run(soon if due is None else min(soon, due))
            signals.deliver()
            if stop is HartStop.IDLE and due is not None:
                self.hart.advance(min(due, until_ns))
                stop = HartStop.BUDGET
            for timed in self._timed:
                timed.advance(self.now_ns)
            for transport in self._transports:
                transport.service()
            if self.monitor is not None:
                self.monitor.look()
            if self.stats_polling is not None:
                self.stats_polling.look(self.now_ns)
            finding = None if self.sanitizer is None else self.sanitizer.take_stop()
            if finding is not None:
                return Stop(StopReason.FINDING, self.now_ns, finding.offence.value)
            if self._power_request is not None:
                return self._powered_off(self._power_request)
            if stop is HartStop.FAULT:
                return Stop(StopReason.GUEST_FAULT, self.now_ns, str(self.hart.fault))
            if stop in _STOPS and (stop is not HartStop.BUDGET or self.now_ns >= until_ns):
                return Stop(_STOPS[stop], self.now_ns)
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
        self._gpio.set_level(True)
        self.at(self.now_ns + POWER_BUTTON_NS, lambda: self._gpio.set_level(False))

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
            devices = {f"disk{n or ''}": device for n, device in enumerate(self.disks)}
            known = [*devices] if self.balloon is None else ["balloon", *devices]
            if fault.device not in known:
                raise ConfigError(
                    f"no device {fault.device!r} to misbehave: this machine has {', '.join(known) or 'none'}"
                )
            device = devices.get(fault.device, self.balloon)
            transport = next(each for each in self._transports if each.device is device)
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
        devices = {slot: device for _, device, slot in self._places}
        disks = {id(device): disk for device, disk in zip(self.disks, self.config.disks, strict=True)}
        in_order = [devices[slot] for slot in sorted(devices)]
        return MachineIdentity(
            ram_base=board.DRAM_BASE,
            ram_size=self.config.ram,
            slots=tuple(devices[i].device_id if i in devices else 0 for i in range(len(board.VIRTIO_SLOTS))),
            legacy_virtio=self.config.legacy_virtio,
            firmware=self.boot.firmware,
            kernel=self.boot.kernel,
            disks=tuple(disks[id(device)].identify() for device in in_order if id(device) in disks),
        )

    def save(self) -> State:
        """Return the state of hart and devices as plain data; RAM, disks and the agenda are not in it."""
        request = self._power_request
        power = {} if request is None else {"action": request.action.value, "code": request.code}
        return {"power": power, **{name: part.save() for name, part in self._parts.items()}}

    def restore(self, state: object) -> None:
        """Take over what `save` returned; RAM must have the contents of then.

        Raises:
            StateError: names the field; the machine is of no use any more.
        """
        fields = Fields(state, "machine", ("power", *self._parts))
        self._power_request = _restored_request(fields.value("power"))
        for name, part in self._parts.items():
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

    def _wire(self) -> None:
        """Put the devices on the bus and connect their interrupts to the hart."""
        hart = self.hart
        bus = Bus()
        plic = Plic(board.PLIC_SOURCES, (_HartLine(hart, MEIP), _HartLine(hart, SEIP)))
        self.console = Console(lambda: hart.now_ns, hart.request_stop)
        self.uart = Uart(plic.line(board.UART.irq), self.console.transmit)
        self.serial = Terminal(self.console, self.uart.receive)
        rtc = GoldfishRtc(plic.line(board.RTC.irq), lambda: hart.now_ns, hart.request_stop)
        self._timed.insert(0, rtc)
        self._gpio = SifiveGpio(plic.line(board.GPIO.irq))
        clint = Clint(hart, _HartLine(hart, MSIP))
        bus.attach("test finisher", board.TEST, Power(self._request))
        bus.attach("RTC", board.RTC, rtc)
        bus.attach("CLINT", board.CLINT, clint)
        bus.attach("PLIC", board.PLIC, plic)
        bus.attach("UART", board.UART, self.uart)
        bus.attach("GPIO", board.GPIO, self._gpio)
        interface = LegacyMmio if self.config.legacy_virtio else VirtioMmio
        self._places = assign([*self._virtio()])
        for name, device, slot in self._places:
            region = board.VIRTIO_SLOTS[slot]
            transport = interface(device, self.memory, plic.line(region.irq), hart.request_stop)
            self._transports.append(transport)
            self._parts[f"virtio{slot}"] = transport
            bus.attach(f"{name} in slot {slot}", region, transport)
            self._on_bus[f"slot {slot} ({name.split()[0]})"] = transport
        for number, region in enumerate(board.VIRTIO_SLOTS):
            if not bus.taken(region):
                empty = self._on_bus[f"slot {number} (empty)"] = EmptySlot(interface.interface)
                bus.attach("empty slot", region, empty)
        # In the order of restoring: a wire's ends after its beginnings, so that what was saved there stands.
        self._parts |= {"rtc": rtc, "uart": self.uart, "gpio": self._gpio}
        self._parts |= {"clint": clint, "plic": plic, "hart": hart}
        self._parts["console"] = self.console
        if self.channel is not None:
            self._parts["channel"] = self.channel.console
        hart.attach((window.base, window.size, window.device) for window in bus)

    def _virtio(self) -> Iterator[Part]:
        """Return the virtio devices, and where each wants to be."""
        if self.balloon is not None:
            yield Part("balloon", self.balloon, self.config.balloon_slot)
        for disk, device in zip(self.config.disks, self.disks, strict=True):
            yield Part(f"disk {disk.path}", device, disk.slot)
        if self.config.virtio_console:
            console = Console(lambda: self.hart.now_ns, self.hart.request_stop)
            port = VirtioConsole(console.transmit)
            self.channel = Terminal(console, port.receive)
            yield Part("virtio-console", port, None)
        if self.config.rng_seed is not None:
            yield Part("virtio-rng", Rng(self.config.rng_seed), None)

    def _request(self, request: PowerRequest) -> None:
        """Take what the guest asks of the platform; the first request of a run counts."""
        if request.action is PowerAction.HIBERNATE and not self.config.platform_sleep:
            return  # the tree has no such register
        self._power_request = self._power_request or request
        self.hart.request_stop()

    def _powered_off(self, request: PowerRequest) -> Stop:
        reason = {
            PowerAction.POWEROFF: StopReason.POWEROFF,
            PowerAction.RESET: StopReason.RESET,
            PowerAction.HIBERNATE: StopReason.HIBERNATE,
            PowerAction.FAIL: StopReason.GUEST_FAULT,
        }[request.action]
        detail = f"the guest reported failure {request.code}" if request.action is PowerAction.FAIL else ""
        return Stop(reason, self.now_ns, detail, request.code)


class _HartLine:
    """An interrupt wire into the hart (an `IrqLine`)."""

    def __init__(self, hart: Hart, interrupt: int) -> None:
        self._hart = hart
        self._interrupt = interrupt

    def set_level(self, level: bool) -> None:
        self._hart.set_pending(self._interrupt, level)


def _restored_request(saved: object) -> PowerRequest | None:
    """Return what the guest had asked of the platform when the state was saved; raises StateError."""
    if saved == {}:
        return None
    fields = Fields(saved, "machine.power", ("action", "code"))
    action = fields.text("action", 20)
    code = fields.integer("code", 0, 0xFFFF)
    try:
        return PowerRequest(PowerAction(action), code)
    except ValueError:
        raise fields.fail("action", f"{action!r} is nothing to ask for") from None


def _allocate(size: int) -> GuestMemory:
    try:
        return GuestMemory.allocate(board.DRAM_BASE, size)
    except GuestMemoryError as error:
        raise HostError(f"no memory for the guest: {error}; give -m less") from None
