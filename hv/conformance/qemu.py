"""QEMU's virtio-mmio devices under test, without a guest: the machine never runs an instruction.

One process for each interface has both devices, and is reset between tests. A process that ends is a finding
of the test that ended it; the next test gets a new one.
"""

import os
import tempfile
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from hv import board
from hv.conformance.dut import CAPACITY, RAM_SIZE, Dut
from hv.errors import ThawvisorError
from hv.qemu.stopped import StoppedQemu

_SLOTS = {"block": 0, "balloon": 1}
"""Which of the eight slots has which device."""

_APLIC = 0x0C00_0000
_SOURCECFG = _APLIC + 0x0000  # of source n at 4 n
_IN_CLRIP = _APLIC + 0x1D00
_LEVEL_HIGH = 6
"""Registers of the APLIC, whose inputs can be looked at; a PLIC shows only what is still to be claimed."""

_BALLOON = (
    "virtio-balloon-device,id=balloon,bus=virtio-mmio-bus.1,deflate-on-oom=on,free-page-reporting=on"
    ",free-page-hint=on,iothread=hinting"
)
_BALLOON_PATH = "/machine/peripheral/balloon"
_STATS = {"stat-htlb-pgalloc": "hugetlb_allocations", "stat-htlb-pgfail": "hugetlb_failures"}
"""QEMU's names of statistics, where they are not the specification's."""

_BLOCK = "virtio-blk-device,id=block,bus=virtio-mmio-bus.0,drive=disk"


class QemuMaker:
    """Makes devices of running QEMUs, which it starts when they are first needed; a context manager."""

    def __init__(self) -> None:
        self._running: dict[str, StoppedQemu] = {}
        self._disk = tempfile.NamedTemporaryFile(prefix="thawvisor-", suffix=".img")  # noqa: SIM115 - until exit

    def __call__(self, device: str, interface: str) -> Dut:
        """Give a device as new."""
        os.pwrite(self._disk.fileno(), bytes(512 * CAPACITY), 0)
        qemu = self._running.get(interface)
        if qemu is not None:
            try:
                qemu.qmp.execute("balloon", value=RAM_SIZE)
                qemu.reset()
            except (ThawvisorError, OSError):
                qemu.close()
                qemu = None
        if qemu is None:
            arguments = _arguments(self._disk.name)
            qemu = self._running[interface] = StoppedQemu(arguments, RAM_SIZE >> 20, interface == "legacy")
        return QemuDut(qemu, _SLOTS[device])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for qemu in self._running.values():
            qemu.close()
        self._disk.close()


class QemuDut(Dut):
    """The device in one slot of a QEMU.

    Attributes:
        qemu: the process.
    """

    def __init__(self, qemu: StoppedQemu, slot: int) -> None:
        self.qemu = qemu
        self._region = board.VIRTIO_SLOTS[slot]
        self._watch_irq()

    def read(self, offset: int, size: int) -> int:
        """Load through the gdb stub."""
        return self.qemu.bus.read(self._region.base + offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """Store through the gdb stub."""
        self.qemu.bus.write(self._region.base + offset, size, value)

    def read_memory(self, addr: int, length: int) -> bytes:
        """Return RAM."""
        return self.qemu.bus.read_ram(addr, length)

    def write_memory(self, addr: int, data: bytes) -> None:
        """Change RAM."""
        self.qemu.bus.write_ram(addr, data)

    def irq(self) -> bool:
        """Return whether the interrupt controller sees its input high."""
        return bool(self.qemu.bus.read(_IN_CLRIP, 4) >> self._region.irq & 1)

    def settle(self) -> None:
        """Wait until the disk's requests are done: `stop` drains them, also when nothing runs."""
        self.qemu.qmp.execute("stop")

    def host_reset(self) -> None:
        """Press the reset button."""
        self.qemu.reset()
        self._watch_irq()

    def set_target(self, pages: int) -> None:
        """Set the balloon; QEMU's own figure is the RAM that remains, in bytes."""
        self.qemu.qmp.execute("balloon", value=RAM_SIZE - pages * board.PAGE_SIZE)

    def actual(self) -> int:
        """Return the driver's claim."""
        remaining: int = self.qemu.qmp.execute("query-balloon")["actual"]
        return (RAM_SIZE - remaining) // board.PAGE_SIZE

    def request_stats(self) -> None:
        """Have QEMU poll once: its timer needs a moment in which the machine runs."""
        qmp = self.qemu.qmp
        poll = {"path": _BALLOON_PATH, "property": "guest-stats-polling-interval"}
        qmp.execute("qom-set", **poll, value=1)
        qmp.execute("cont")
        qmp.execute("query-status")  # answered after the timers of the round in which the machine went on
        qmp.execute("stop")
        qmp.execute("qom-set", **poll, value=0)

    def stats(self) -> Mapping[str, int]:
        """Return what QEMU keeps; it knows ten statistics, and says 2^64-1 for those that never came."""
        answer = self.qemu.qmp.execute("qom-get", path=_BALLOON_PATH, property="guest-stats")
        return {
            _STATS.get(name, name.removeprefix("stat-").replace("-", "_")): value
            for name, value in answer["stats"].items()
            if value not in (-1, (1 << 64) - 1)
        }

    def _watch_irq(self) -> None:
        self.qemu.bus.write(_SOURCECFG + 4 * self._region.irq, 4, _LEVEL_HIGH)


def _arguments(disk: str) -> list[str]:
    return [
        *("-machine", "aia=aplic", "-object", "iothread,id=hinting"),
        *("-blockdev", f"file,node-name=disk,filename={disk},locking=off"),
        *("-device", _BALLOON, "-device", _BLOCK),
        *("-device", "loader,addr=0x20000,cpu-num=0"),  # where nothing is: a hart that is let run stays there
    ]
