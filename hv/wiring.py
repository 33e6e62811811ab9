"""The devices of one machine: made as its configuration says, put on the bus, wired to the hart.

Only this module knows which device is where and which wire leads to whom; `hv.machine` runs it.
"""

from collections.abc import Iterator, Sequence

from devices.clint import Clint
from devices.gpio import SifiveGpio
from devices.memory import GuestMemory
from devices.plic import Plic
from devices.power import Power
from devices.rtc import GoldfishRtc
from devices.state import Stateful
from devices.uart import Uart
from devices.virtio.backends import BlockBackend
from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.console import VirtioConsole
from devices.virtio.device import VirtioDevice
from devices.virtio.empty import EmptySlot
from devices.virtio.legacy import LegacyMmio
from devices.virtio.mmio import VirtioMmio
from devices.virtio.rng import Rng
from devices.virtio.slot import Slot
from hv import board
from hv.bus import Bus
from hv.config import MachineConfig
from hv.console import Console, Terminal
from hv.cpu import Hart
from hv.cpu.riscv import MEIP, MSIP, SEIP
from hv.errors import ConfigError
from hv.powerswitch import PowerSwitch
from hv.slots import Part, assign


class Wiring:
    """The devices of one machine, connected.

    Args:
        config: of the machine.
        backends: what its disks hold, in the order of the configuration.
        hart: the CPU; its loads and stores outside RAM go to the devices from now on.
        memory: guest RAM.

    Attributes:
        switch: the power switch.
        console: what the guest printed.
        uart: where typed bytes go in.
        serial: both of them.
        channel: the line of the virtio-console, or None.
        rtc: the clock, which can wake the guest.
        gpio: the power button's pin.
        balloon: the balloon device, or None.
        disks: the virtio-blk devices, in the order of the configuration.
        transports: the slots that have devices, in the order in which the machine lets them work.
        devices: the virtio devices by slot, in the same order.
        slots: all virtio slots, by what reports call them.
        parts: what has state, in the order of restoring.

    Raises:
        ConfigError: the devices do not fit onto the board.
    """

    def __init__(
        self, config: MachineConfig, backends: Sequence[BlockBackend], hart: Hart, memory: GuestMemory
    ) -> None:
        bus = Bus()
        plic = Plic(board.PLIC_SOURCES, (_HartLine(hart, MEIP), _HartLine(hart, SEIP)))
        clint = Clint(hart, _HartLine(hart, MSIP))
        self.switch = PowerSwitch(config.platform_sleep, hart.request_stop)
        self.console = _console(hart)
        self.uart = Uart(plic.line(board.UART.irq), self.console.transmit)
        self.serial = Terminal(self.console, self.uart.receive)
        self.channel: Terminal | None = None
        self.rtc = GoldfishRtc(plic.line(board.RTC.irq), lambda: hart.now_ns, hart.request_stop)
        self.gpio = SifiveGpio(plic.line(board.GPIO.irq))
        bus.attach("test finisher", board.TEST, Power(self.switch.take))
        bus.attach("RTC", board.RTC, self.rtc)
        bus.attach("CLINT", board.CLINT, clint)
        bus.attach("PLIC", board.PLIC, plic)
        bus.attach("UART", board.UART, self.uart)
        bus.attach("GPIO", board.GPIO, self.gpio)

        self.balloon = None if config.balloon is None else Balloon(config.balloon_features)
        self.disks = [Block(backend, f"thaw-{n}") for n, backend in enumerate(backends)]
        self.transports: list[VirtioMmio | LegacyMmio] = []
        self.devices: dict[int, VirtioDevice] = {}
        self.slots: dict[str, Slot] = {}
        self.parts: dict[str, Stateful] = {"power": self.switch}
        interface = LegacyMmio if config.legacy_virtio else VirtioMmio
        for name, device, slot in assign([*self._virtio(config, hart)]):
            region = board.VIRTIO_SLOTS[slot]
            transport = interface(device, memory, plic.line(region.irq), hart.request_stop)
            bus.attach(f"{name} in slot {slot}", region, transport)
            self.transports.append(transport)
            self.devices[slot] = device
            self.slots[f"slot {slot} ({name.split()[0]})"] = transport
            self.parts[f"virtio{slot}"] = transport
        for number, region in enumerate(board.VIRTIO_SLOTS):
            if not bus.taken(region):
                empty = self.slots[f"slot {number} (empty)"] = EmptySlot(interface.interface)
                bus.attach("empty slot", region, empty)
        # In the order of restoring: a wire's ends after its beginnings, so that what was saved there stands.
        self.parts |= {"rtc": self.rtc, "uart": self.uart, "gpio": self.gpio}
        self.parts |= {"clint": clint, "plic": plic, "hart": hart, "console": self.console}
        if self.channel is not None:
            self.parts["channel"] = self.channel.console
        hart.attach((window.base, window.size, window.device) for window in bus)

    def close(self) -> None:
        """Pull the devices out of their slots."""
        for transport in self.transports:
            transport.close()

    def _virtio(self, config: MachineConfig, hart: Hart) -> Iterator[Part]:
        """Return the virtio devices, and where each wants to be."""
        if self.balloon is not None:
            yield Part("balloon", self.balloon, config.balloon_slot)
        for disk, device in zip(config.disks, self.disks, strict=True):
            yield Part(f"disk {disk.path}", device, disk.slot)
        if config.virtio_console:
            console = _console(hart)
            port = VirtioConsole(console.transmit)
            self.channel = Terminal(console, port.receive)
            yield Part("virtio-console", port, None)
        if config.rng_seed is not None:
            yield Part("virtio-rng", Rng(config.rng_seed), None)

    def transport(self, name: str) -> VirtioMmio | LegacyMmio:
        """Return the transport of `balloon`, `disk`, `disk1` and so on.

        Raises:
            ConfigError: there is no such device.
        """
        known: dict[str, VirtioDevice] = {} if self.balloon is None else {"balloon": self.balloon}
        known |= {f"disk{n or ''}": device for n, device in enumerate(self.disks)}
        if name not in known:
            raise ConfigError(f"no device {name!r}: this machine has {', '.join(known) or 'none'}")
        return next(each for each in self.transports if each.device is known[name])

    def device_ids(self) -> tuple[int, ...]:
        """Return the virtio device id in each slot, 0 for an empty one."""
        return tuple(
            self.devices[slot].device_id if slot in self.devices else 0
            for slot in range(len(board.VIRTIO_SLOTS))
        )


class _HartLine:
    """An interrupt wire into the hart (an `IrqLine`)."""

    def __init__(self, hart: Hart, interrupt: int) -> None:
        self._hart = hart
        self._interrupt = interrupt

    def set_level(self, level: bool) -> None:
        self._hart.set_pending(self._interrupt, level)


def _console(hart: Hart) -> Console:
    return Console(lambda: hart.now_ns, hart.request_stop)
