"""What a driver does with a device that it puts to sleep (spec 1.4: "Device Suspend")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_F_SUSPEND,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_STATUS,
)
from hv.monitor.area import AT_ANY_TIME, Area
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book

_AWAKE, _FALLING_ASLEEP, _ASLEEP, _WAKING = range(4)
_BOTH = VIRTIO_CONFIG_S_SUSPEND | VIRTIO_CONFIG_S_DRIVER_OK


class Suspend(Area):
    """From the write of SUSPEND until DRIVER_OK is read again."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C072": "SUSPEND is set only with DRIVER_OK and VIRTIO_F_SUSPEND",
        "C073": "Status is read until SUSPEND is 1 and DRIVER_OK is 0",
        "C074": "no buffer is made available after SUSPEND",
        "C075": "no queue is notified after SUSPEND",
        "C076": "no configuration is written after SUSPEND",
        "C077": "after a resume Status is read until SUSPEND is 0 and DRIVER_OK is 1",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._state = _ASLEEP if conduct.suspending else _AWAKE

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a load."""
        if offset != VIRTIO_MMIO_STATUS:
            return
        if self._state == _FALLING_ASLEEP and value & _BOTH == VIRTIO_CONFIG_S_SUSPEND:
            self._state = _ASLEEP
            for clause in ("C073", "C074", "C075", "C076"):
                self.exercised(clause)
        elif self._state == _WAKING and value & _BOTH == VIRTIO_CONFIG_S_DRIVER_OK:
            self._state = _AWAKE
            self.exercised("C077")

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a store."""
        if offset == VIRTIO_MMIO_STATUS:
            self._status(value)
        elif offset in AT_ANY_TIME or self._state == _AWAKE:
            return
        elif self._state == _WAKING:
            self.judge("C077", False, f"wrote to {offset:#x} before the device was seen awake")
        elif offset == VIRTIO_MMIO_QUEUE_NOTIFY:
            self.judge("C075", False, f"notified queue {value} of a suspended device")
        elif offset >= VIRTIO_MMIO_CONFIG:
            self.judge("C076", False, f"wrote configuration {offset - VIRTIO_MMIO_CONFIG:#x} while suspended")

    def reset(self) -> None:
        """The device is awake again."""
        super().reset()
        self._state = _AWAKE

    def appeared(self, ring: Ring, chain: Chain) -> None:
        """Judge a new buffer."""
        if self._state in (_FALLING_ASLEEP, _ASLEEP):
            self.judge(
                "C074", False, f"made chain {chain.head} of queue {ring.index} available while suspended"
            )
        elif self._state == _WAKING:
            self.judge("C077", False, f"made chain {chain.head} available before the device was seen awake")

    def _status(self, value: int) -> None:
        status = self.conduct.status
        if value & ~status & VIRTIO_CONFIG_S_SUSPEND:
            allowed = status & VIRTIO_CONFIG_S_DRIVER_OK and self.conduct.negotiated(VIRTIO_F_SUSPEND)
            self.judge("C072", bool(allowed), f"set SUSPEND when Status was {status:#x}")
            if allowed:
                self._state = _FALLING_ASLEEP
        elif value & VIRTIO_CONFIG_S_DRIVER_OK and self._state in (_FALLING_ASLEEP, _ASLEEP):
            if self._state == _FALLING_ASLEEP:
                self.judge("C073", False, "resumed a device that was not seen to be suspended")
            self._state = _WAKING
