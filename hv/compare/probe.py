"""Looks on while a machine of the comparison runs, and costs it no virtual time."""

import numpy as np

from devices.virtio.balloon import Balloon
from devices.virtio.block import Block
from devices.virtio.queue import Batch, Virtqueue
from hv import board
from hv.compare.evidence import Leg, Message, Sample, Transfer
from hv.scenario import Run


class Probe:
    """Notes what a machine's devices handle, and samples the host's side before and after.

    Args:
        run: a machine that has not run yet.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.samples: list[Sample] = []
        self.transfers: list[Transfer] = []
        run.balloon.watchers.append(_BalloonWatcher(self, run.balloon))
        for disk in run.machine.disks:
            disk.watchers.append(_DiskWatcher(self, disk))
        self.sample()

    def sample(self) -> None:
        """Note how the host stands now."""
        machine = self.run.machine
        ballooned = int(np.count_nonzero(self.run.balloon.ballooned))
        now = Sample(machine.now_ns, ballooned, machine.memory.resident_bytes() // board.PAGE_SIZE)
        if self.samples[-1:] != [now]:
            self.samples.append(now)

    def note(self, kind: str, requests: int, amount: int) -> None:
        """Note what a device has handled."""
        if amount:
            self.transfers.append(Transfer(self.run.ns, kind, requests, amount))

    def leg(self, start_ns: int) -> Leg:
        """Return what happened from a virtual time, at which a sample was taken, until now."""
        self.sample()
        events = [event for event in self.run.world.journal.events if event.run == self.run.number]
        said = [Message(event.ns, event.side, event.text) for event in events if event.side == "host"]
        said += [
            Message(line.ns, "guest", line.text.partition("] ")[2])
            for line in self.run.machine.console.lines
            if line.text.startswith("[")
        ]
        return Leg(
            start_ns,
            self.run.ns,
            tuple(sample for sample in self.samples if sample.ns >= start_ns),
            tuple(transfer for transfer in self.transfers if transfer.ns >= start_ns),
            tuple(sorted((each for each in said if each.ns >= start_ns), key=lambda each: each.ns)),
        )


class _BalloonWatcher:
    """Tells a probe of the balloon's queues (a `QueueWatcher`)."""

    def __init__(self, probe: Probe, balloon: Balloon) -> None:
        self._probe = probe
        self._balloon = balloon
        self._before = 0

    def taken(self, _queue: Virtqueue, _batch: Batch) -> None:
        self._probe.sample()
        self._before = self._probe.samples[-1].ballooned

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        self._probe.sample()
        change = self._probe.samples[-1].ballooned - self._before
        self._probe.note("deflate" if queue.index else "inflate", batch.count, abs(change))


class _DiskWatcher:
    """Tells a probe of a disk's queue (a `QueueWatcher`)."""

    _HEADER_BYTES, _STATUS_BYTES = 16, 1  # struct virtio_blk_req without its data

    def __init__(self, probe: Probe, disk: Block) -> None:
        self._probe = probe
        self._disk = disk

    def taken(self, _queue: Virtqueue, batch: Batch) -> None:
        self._probe.sample()
        rows = range(batch.count)
        out = [max(0, _length(batch.readable(row)) - self._HEADER_BYTES) for row in rows]
        into = [max(0, _length(batch.writable(row)) - self._STATUS_BYTES) for row in rows]
        self._probe.note("write", sum(map(bool, out)), sum(out))
        self._probe.note("read", sum(map(bool, into)), sum(into))

    def given_back(self, _queue: Virtqueue, _batch: Batch) -> None:
        self._probe.sample()


def _length(views: list[memoryview]) -> int:
    return sum(map(len, views))
