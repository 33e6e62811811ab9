"""Scenarios on QEMU: what `GuestMachine` asks for, with a QEMU process inside.

QEMU's machine stands still unless `run` is being called, so that a scenario acts between two moments of the
guest's, as it does here. What differs: its time is real, so no run is exactly the same again; and the guest
goes on for a moment after what was waited for.
"""

import select
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from devices.memory import Pages
from devices.virtio.balloon import Balloon
from hv import board
from hv.agenda import Agenda
from hv.config import Disk, MachineConfig
from hv.console import Console, Terminal
from hv.hibernate import Carrier
from hv.qemu.balloon import EVENTS, BalloonRequests, BalloonTrace
from hv.qemu.memory import QemuMemory
from hv.qemu.process import QemuProcess, find_qemu
from hv.qemu.qmp import QmpError
from hv.scenario.place import CannotError, Medium
from hv.stop import Stop, StopReason

_POLL_S = 0.002
"""How often the trace is looked at while the guest prints nothing."""

_BALLOON = "/machine/peripheral/balloon"
_FEATURES = ("deflate-on-oom", "free-page-reporting", "page-poison")
"""What QEMU's balloon offers when it is asked to. Statistics it always does, the others never."""


class OnQemu:
    """Machines of QEMU's (a `Place`)."""

    name = "on QEMU"
    carriers: tuple[Carrier, ...] = (Carrier.SWAP,)

    def require(self) -> None:
        """See `Place`."""
        find_qemu()

    def disk(
        self, data: bytes, folder: Path, cut_at: int | None, fail_at: Iterable[int]
    ) -> tuple[Disk, Medium]:
        """See `Place`; raises CannotError when an operation is to fail."""
        if cut_at is not None or tuple(fail_at):
            raise CannotError("a disk that fails at a numbered operation")
        path = folder / "disk.img"
        path.write_bytes(data)
        return Disk(path, slot=0), _File(path)

    def machine(self, config: MachineConfig, _host_image: Path | None) -> "QemuMachine":
        """See `Place`; raises CannotError when the machine is to be watched."""
        return QemuMachine(config)


class _File:
    """A disk in a file (a `Medium`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def data(self) -> bytes:
        """See `Medium`."""
        return self._path.read_bytes()

    def close(self) -> None:
        """See `Medium`."""
        self._path.unlink()


class _Counters:
    """What is known of `BalloonCounters`."""

    def __init__(self, requests: BalloonRequests) -> None:
        self._requests = requests

    def __getattr__(self, name: str) -> int:
        if name not in BalloonRequests.__dataclass_fields__:
            raise CannotError(f"the balloon's count of {name}")
        count: int = getattr(self._requests, name)
        return count


class QemuBalloon:
    """What the host knows of QEMU's balloon. Of the rest of `Balloon` it says that it is not to be had."""

    def __init__(self, trace: BalloonTrace, qemu: QemuProcess) -> None:
        self._trace = trace
        self._qemu = qemu
        self.target_pages = 0
        self.counters = _Counters(trace.requests)
        self.ballooned = trace.ballooned
        self.hinted: Pages = np.zeros(len(trace.ballooned), np.bool_)

    def __getattr__(self, name: str) -> Any:
        raise CannotError(f"the balloon's {name}")

    @property
    def actual_pages(self) -> int:
        """The driver's claim."""
        return self._trace.actual_pages

    @property
    def queues_in_use(self) -> int:
        """How many queues the driver has given the device."""
        ask = self._qemu.qmp.execute
        if not self._qemu.running:
            raise CannotError("the balloon's queues once the machine is off")
        count = ask("x-query-virtio-status", path=_BALLOON)["num-vqs"]
        queues = (ask("x-query-virtio-queue-status", path=_BALLOON, queue=each) for each in range(count))
        return sum(queue["vring-desc"] != 0 for queue in queues)


class QemuMachine:
    """A `virt` machine of QEMU's, with our board's devices in our board's places (a `GuestMachine`).

    Args:
        config: what to make it of.

    Raises:
        CannotError: it is to be watched by the sanitizer or the monitor.
        HostError: QEMU is not installed.
    """

    def __init__(self, config: MachineConfig) -> None:
        if config.sanitize or config.monitor:
            raise CannotError("the sanitizer or the monitor")
        self.config = config
        self._agenda = Agenda()
        self._ran_ns = 0
        self._since: int | None = None
        self._off: Stop | None = None
        lines = ("serial", "channel") if config.virtio_console else ("serial",)
        self._closing = ExitStack()
        with ExitStack() as failing:
            failing.push(self._closing)
            log = self._closing.enter_context(tempfile.NamedTemporaryFile(prefix="thawvisor-trace-"))
            trace = ("-D", log.name, *(word for event in EVENTS for word in ("-trace", event)))
            qemu = QemuProcess((*arguments(config), *trace), lines, config.legacy_virtio, small_pages=True)
            self._qemu = self._closing.enter_context(qemu)
            self._memory = QemuMemory(qemu.pid, config.ram)
            self._trace = BalloonTrace(Path(log.name), board.DRAM_BASE, config.ram // board.PAGE_SIZE)
            self._balloon = QemuBalloon(self._trace, qemu)
            self._open = {qemu.sockets[name]: Console(lambda: self.now_ns, _nothing) for name in lines}
            self.serial, *channels = (Terminal(console, line.sendall) for line, console in self._open.items())
            self.channel = channels[0] if channels else None
            self.console = self.serial.console
            if config.balloon:
                self.set_balloon_target(config.balloon)
            failing.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @property
    def balloon(self) -> Balloon:
        """What there is of it."""
        return cast("Balloon", self._balloon)

    @property
    def memory(self) -> QemuMemory:
        """RAM; raises CannotError once the machine is off."""
        if not self._qemu.running:
            raise CannotError("a look at the memory once the machine is off")
        return self._memory

    @property
    def now_ns(self) -> int:
        """Real time for which it ran."""
        return self._ran_ns + (0 if self._since is None else time.monotonic_ns() - self._since)

    def at(self, ns: int, action: Callable[[], None]) -> None:
        """See `GuestMachine`; as late as a look at it comes."""
        self._agenda.enter(ns, action)

    def set_balloon_target(self, pages: int) -> None:
        """Set the host's target; QEMU's own figure is the RAM that remains, in bytes."""
        self._qemu.qmp.execute("balloon", value=self.config.ram - pages * board.PAGE_SIZE)
        self._balloon.target_pages = pages

    def run(self, until_ns: int, until: Callable[[], bool] = lambda: False) -> Stop:
        """See `GuestMachine`."""
        if until():
            return Stop(StopReason.CONDITION, self.now_ns)
        if self._off is not None:
            return self._off
        self._qemu.qmp.execute("cont")
        self._since = time.monotonic_ns()
        reason = self._watch(until_ns, until)
        stands = reason is not None and self._halt()
        self._ran_ns, self._since = self.now_ns, None
        while self._take(0):
            pass
        self._trace.read()
        if not stands:
            self._off = self._ended()
            if reason is None:
                return self._off
        assert reason is not None
        return Stop(reason, self.now_ns)

    def _halt(self) -> bool:
        """Have it stand still; return whether it can, or has ended."""
        with suppress(QmpError):
            self._qemu.qmp.execute("stop")
            return True
        return False

    def _watch(self, until_ns: int, until: Callable[[], bool]) -> StopReason | None:
        """Let it run; return why it is to stand still, None when it has ended."""
        while self._take(_POLL_S) is not None:
            self._trace.read()
            self._agenda.advance(self.now_ns)
            if until():
                return StopReason.CONDITION
            if self.now_ns >= until_ns:
                return StopReason.BUDGET
        return None

    def _take(self, within: float) -> bool | None:
        """Take what the guest has printed; return whether there was anything, None when QEMU has ended."""
        ready, _, _ = select.select(self._open, (), (), within)
        for line in ready:
            try:
                data = line.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            console = self._open[line] if data else self._open.pop(line)
            for byte in data:
                console.transmit(byte)
        return bool(ready) if self._open else None

    def _ended(self) -> Stop:
        status = self._qemu.wait_exit()
        if status:
            return Stop(StopReason.GUEST_FAULT, self.now_ns, f"QEMU ended with status {status}", status)
        return Stop(StopReason.POWEROFF, self.now_ns)


def _nothing() -> None:
    """QEMU cannot be stopped at a byte."""


def arguments(config: MachineConfig) -> list[str]:
    """Return QEMU's arguments for a machine that stands still; its lines are `serial` and `channel`."""
    words = ["-S", "-bios", str(config.bios), "-m", f"{config.ram // board.MIB}M"]
    words += ["-kernel", str(config.kernel), "-append", config.append, "-serial", "chardev:serial"]
    if config.initrd is not None:
        words += ["-initrd", str(config.initrd)]
    devices = {config.balloon_slot: "virtio-balloon-device,id=balloon"}
    for feature in _FEATURES:
        state = "on" if feature in config.balloon_features else "off"
        devices[config.balloon_slot] += f",{feature}={state}"
    free = iter(number for number in range(len(board.VIRTIO_SLOTS)) if number not in devices)
    for number, disk in enumerate(config.disks):
        path = str(disk.path).replace(",", ",,")
        words += ["-drive", f"if=none,id=disk{number},format=raw,file={path}"]
        devices[next(free)] = f"virtio-blk-device,drive=disk{number}"
    if config.virtio_console:
        devices[next(free)] = "virtio-serial-device,max_ports=1,id=console"
    if config.rng_seed is not None:
        words += ["-object", "rng-builtin,id=random"]
        devices[next(free)] = "virtio-rng-device,rng=random"
    words += [
        word
        for slot, device in devices.items()
        for word in ("-device", f"{device},bus=virtio-mmio-bus.{slot}")
    ]
    if config.virtio_console:
        words += ["-device", "virtconsole,chardev=channel,bus=console.0"]
    return words
