"""Who looks on while a guest runs: sanitizer and monitor of one machine, as its configuration wants."""

from collections.abc import Iterable, Mapping

from devices.memory import GuestMemory
from devices.virtio.device import VirtioDevice
from devices.virtio.slot import Slot
from hv.config import MachineConfig
from hv.cpu import Hart
from hv.modules import symbols_of
from hv.monitor import Monitor, guest_book
from hv.sanitizer import Mode, Sanitizer


class Onlookers:
    """The onlookers of one machine. A monitor needs to know who uses which page, so it has a sanitizer too.

    Args:
        config: of the machine.
        hart: the CPU; what it can have one watcher of, the sanitizer has.
        memory: guest RAM.
        devices: all virtio devices, fresh.
        slots: all virtio slots, by what reports call them.

    Attributes:
        sanitizer: the balloon sanitizer whose findings were asked for, or None.
        monitor: what watches the drivers, or None.
    """

    def __init__(
        self,
        config: MachineConfig,
        hart: Hart,
        memory: GuestMemory,
        devices: Iterable[VirtioDevice],
        slots: Mapping[str, Slot],
    ) -> None:
        self.sanitizer: Sanitizer | None = None
        self.monitor: Monitor | None = None
        self._page_watch: Sanitizer | None = None
        if config.sanitize is None and not config.monitor:
            return
        symbols = symbols_of((config.bios, config.kernel), hart, memory)
        watch = Sanitizer(config.sanitize or Mode.LOG, hart, memory, devices, symbols)
        self._page_watch = watch
        self.sanitizer = watch if config.sanitize else None
        if config.monitor:
            self.monitor = Monitor(slots, guest_book(hart, memory, symbols), memory)
            watch.listeners.append(self.monitor.used)

    def restart(self) -> None:
        """Begin anew, as the machine was taken to another moment."""
        if self._page_watch is not None:
            self._page_watch.restart()
        if self.monitor is not None:
            self.monitor.meet()
