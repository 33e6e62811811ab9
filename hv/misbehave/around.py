"""What stands around a good device and makes it misbehave."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Protocol

from devices.memory import GuestMemory
from devices.virtio.balloon import Balloon
from devices.virtio.constants import VIRTIO_MMIO_CONFIG
from devices.virtio.legacy import LegacyMmio
from devices.virtio.mmio import VirtioMmio
from devices.virtio.queue import Virtqueue
from hv.misbehave.faults import Fault
from hv.misbehave.overtaken import Overtaken
from hv.misbehave.visit import Visit


class Host(Protocol):
    """Who keeps the time."""

    @property
    def now_ns(self) -> int:
        """Virtual time."""

    def at(self, ns: int, action: Callable[[], None]) -> None:
        """Do something at a virtual time."""


class Misbehaviour:
    """The faults of one device. While there are none, it works as if this were not here.

    Args:
        host: who keeps the time.
        transport: where the device is.
        memory: the guest's.

    Attributes:
        transport: the same.
        overtaken: answers on hold, or None.
    """

    def __init__(self, host: Host, transport: VirtioMmio | LegacyMmio, memory: GuestMemory) -> None:
        self.transport = transport
        self.overtaken: Overtaken | None = None
        self._host = host
        self._memory = memory
        self._faults: list[Fault] = []
        self._requests = 0
        self._put_off: set[int] = set()
        self._spoiled_reads = 0
        self._target = 0
        device = transport.device
        device.handlers = tuple(partial(self._visit, handler) for handler in device.handlers)
        transport.watchers.append(self)

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return self._host.now_ns

    def inject(self, fault: Fault) -> None:
        """Have the device commit a fault, at its request or time, counted from now."""
        first = None if fault.request is None else self._requests + fault.request
        if first is None and fault.kind.event is not None:
            self._host.at(fault.ns, partial(fault.kind.event, self, fault.value))
        else:
            self._faults.append(replace(fault, request=first))

    def behave(self) -> None:
        """Forget all faults. What the device has not answered it answers when it is next called."""
        self._faults.clear()
        self._put_off.clear()
        self._spoiled_reads = 0
        self.transport.withheld = 0

    # For the faults.

    def later(self, ns: int, action: Callable[[], None]) -> None:
        """Do something after `ns` of virtual time."""
        self._host.at(self.now_ns + ns, action)

    def look_again(self, index: int, ns: int) -> None:
        """Visit a queue after `ns`, unless the driver has called before."""
        self.later(ns, lambda: self.transport.attend(index))

    def look_away(self, indexes: Iterable[int], ns: int) -> None:
        """Visit none of these queues for `ns`, or for good if that is 0; whoever calls is forgotten."""
        indexes = frozenset(indexes)
        self._put_off |= indexes
        if ns:
            self.later(ns, lambda: self._put_off.difference_update(indexes))

    def spoil_reads(self, count: int) -> None:
        """Change the configuration space right after each of the driver's next `count` reads of it.

        A balloon's host changes its mind, and has its old one in the end; of other devices only the
        generation changes.
        """
        self._spoiled_reads = count
        device = self.transport.device
        self._target = device.target_pages if isinstance(device, Balloon) else 0

    # What the device and its driver do.

    def read(self, offset: int, _size: int, _value: int) -> None:
        """See `devices.virtio.slot.TransportWatcher`."""
        if offset < VIRTIO_MMIO_CONFIG or not self._spoiled_reads:
            return
        self._spoiled_reads -= 1
        device = self.transport.device
        if isinstance(device, Balloon):
            device.set_target(self._target + self._spoiled_reads % 2)
        device.config_generation += 1
        self.transport.config_changed()

    def wrote(self, _offset: int, _size: int, _value: int) -> None:
        """See `devices.virtio.slot.TransportWatcher`."""

    def _visit(self, work: Callable[[Virtqueue], None], queue: Virtqueue) -> None:
        if queue.index in self._put_off:
            return
        visit = Visit(queue, self._memory, work)
        waiting = visit.waiting
        if self.overtaken is not None and self.overtaken.concerns(visit):
            if self.overtaken.go_on(visit):
                self.overtaken = None
        else:
            self._attend(visit, self._requests + waiting)
        self._requests += waiting - visit.waiting

    def _attend(self, visit: Visit, last: int) -> None:
        """Commit what is due when requests up to number `last` have come, or else do good work."""
        fault = next((fault for fault in self._faults if self._due(fault, visit, last)), None)
        if fault is None:
            visit.serve()
            return
        if not fault.always:
            self._faults.remove(fault)
        if fault.kind.visit is not None:
            fault.kind.visit(self, visit, fault.value)
        elif fault.kind.event is not None:
            fault.kind.event(self, fault.value)
            if not self.transport.fault:
                self._attend(visit, last)

    def _due(self, fault: Fault, visit: Visit, last: int) -> bool:
        come = self.now_ns >= fault.ns if fault.request is None else last >= fault.request
        return come and visit.waiting > 0
