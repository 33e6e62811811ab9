"""A device whose every turn is looked at: what it does must be what its driver asked for."""

from collections import Counter
from typing import Any

import numba
import numpy as np

from devices.virtio import kernels
from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_STATUS,
)
from devices.virtio.device import VirtioDevice
from devices.virtio.queue import Batch, Virtqueue
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot

RAM_BYTES = 16 * 4096
"""Small, so that what a program names by chance is often the same page."""

_NEEDS = {
    "modern": {
        VIRTIO_CONFIG_S_ACKNOWLEDGE: 0,
        VIRTIO_CONFIG_S_DRIVER: VIRTIO_CONFIG_S_ACKNOWLEDGE,
        VIRTIO_CONFIG_S_FEATURES_OK: VIRTIO_CONFIG_S_DRIVER,
        VIRTIO_CONFIG_S_DRIVER_OK: VIRTIO_CONFIG_S_FEATURES_OK,
        VIRTIO_CONFIG_S_SUSPEND: VIRTIO_CONFIG_S_FEATURES_OK,
        VIRTIO_CONFIG_S_NEEDS_RESET: 0,
        VIRTIO_CONFIG_S_FAILED: 0,
    },
    "legacy": {
        VIRTIO_CONFIG_S_ACKNOWLEDGE: 0,
        VIRTIO_CONFIG_S_DRIVER: VIRTIO_CONFIG_S_ACKNOWLEDGE,
        VIRTIO_CONFIG_S_DRIVER_OK: VIRTIO_CONFIG_S_DRIVER,
        VIRTIO_CONFIG_S_NEEDS_RESET: 0,
        VIRTIO_CONFIG_S_FAILED: 0,
    },
}
"""For each bit that Status can have, the one that must be set before it (spec: "Device Initialization")."""


class GuardedRam(np.ndarray):  # type: ignore[type-arg]
    """RAM whose bytes have no negative index; numpy looks after the other end."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer) and key < 0:
            raise IndexError(f"load from RAM at {key}")
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, int | np.integer) and key < 0:
            raise IndexError(f"store to RAM at {key}")
        super().__setitem__(key, value)


class WatchedSlot(Slot):
    """A slot that raises AssertionError where its device breaks a rule (a `QueueWatcher`)."""

    def __init__(self, device: VirtioDevice, interface: str) -> None:
        super().__init__(device, RAM_BYTES, interface)
        if numba.config.DISABLE_JIT:
            self.memory.ram = self.memory.ram.view(GuardedRam)
        device.watchers.append(self)
        self._needs = _NEEDS[interface]
        self._held: dict[int, Counter[int]] = {}
        self._offered: dict[int, int] = {}
        self._before = b""

    def settle(self) -> None:
        """Let the device work, and see that it does no more than its driver asked for."""
        if self.mmio.pending:
            self._work()
        else:
            super().settle()
        self.see_registers()

    def see_registers(self) -> None:
        """See that status, interrupt and books say what they can say."""
        status = self.read(VIRTIO_MMIO_STATUS, 4)
        for bit in (1 << number for number in range(8)):
            if status & bit:
                assert bit in self._needs, f"status {status:#x} has a bit that there is not"
                assert status & self._needs[bit] == self._needs[bit], f"status {status:#x} skips a step"
        assert bool(status & VIRTIO_CONFIG_S_NEEDS_RESET) == bool(self.mmio.fault)
        assert self.irq() == (self.read(VIRTIO_MMIO_INTERRUPT_STATUS, 4) != 0)
        if isinstance(self.device, Balloon):
            counters = self.device.counters
            inside = np.count_nonzero(self.device.ballooned)
            assert inside == counters.inflated_pages - counters.deflated_pages

    def _work(self) -> None:
        """Have queues worked on, and see that only what that takes has happened."""
        self._before = self.memory.ram.tobytes()
        self._held = {index: Counter(kept) for index, kept in self._kept().items()}
        self._offered.clear()
        self.written.clear()
        super().settle()
        assert not self.mmio.pending, "the device did not finish"
        self._see_ram()
        for index, kept in self._kept().items():
            assert +self._held[index] == Counter(kept), f"queue {index}: a chain was taken and is gone"

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """See that the chains are in the ring and their buffers in RAM."""
        chains = batch.chains[: batch.count]
        heads = chains[:, kernels.HEAD].tolist()
        assert max(heads) < queue.layout.size
        self._held[queue.index].update(heads)
        rows = int(chains[-1, kernels.FIRST] + chains[-1, kernels.READABLE] + chains[-1, kernels.WRITABLE])
        for at, length in batch.segments[:rows].tolist():
            assert 0 <= at < at + length <= RAM_BYTES, f"segment of {length} bytes at {at}"
        idx_at = queue.layout.avail + 2
        if queue.index not in self._offered:
            start = queue.next_avail - batch.count
            idx = int.from_bytes(self._before[idx_at - RAM_BASE :][:2], "little")
            self._offered[queue.index] = (idx - start) & 0xFFFF
        if not any(addr < idx_at + 2 and idx_at < addr + length for addr, length in self.written):
            self._offered[queue.index] -= batch.count
            assert self._offered[queue.index] >= 0, "more was taken than was made available"

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """See that the chains had been taken, and not been given back."""
        held = self._held[queue.index]
        held.subtract(batch.chains[: batch.count, kernels.HEAD].tolist())
        assert min(held.values(), default=0) >= 0, f"queue {queue.index}: given back and not taken: {held}"

    def _kept(self) -> dict[int, list[int]]:
        """Return the chains that the device keeps in each queue between its turns."""
        kept = {}
        for index, registers in enumerate(self.mmio.save()["queues"]):
            ring = registers["ring"]
            if ring:
                kept[index] = [ring["kept"]] if ring["kept"] >= 0 else []
                behind = (ring["next_avail"] - ring["next_used"]) & 0xFFFF
                assert behind == len(kept[index]), f"queue {index}: {behind} chains are under way"
        return kept

    def _see_ram(self) -> None:
        """See that every byte that changed was announced."""
        now = self.memory.ram.tobytes()
        if now == self._before:
            return
        changed = np.frombuffer(now, np.uint8) != np.frombuffer(self._before, np.uint8)
        for addr, length in self.written:
            changed[addr - RAM_BASE : addr - RAM_BASE + length] = False
        assert not changed.any(), f"changed and not announced: {np.flatnonzero(changed)[:8]}"
