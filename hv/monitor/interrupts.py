"""What a driver does about an interrupt (spec: "Notifications From The Device")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_MMIO_INT_CONFIG,
    VIRTIO_MMIO_INT_VRING,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
)
from hv.monitor.area import Area
from hv.monitor.conduct import Conduct
from hv.monitor.verdicts import Book

_DEFINED = VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG


class Interrupts(Area):
    """InterruptStatus and InterruptACK."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C208": "InterruptACK gets bits that InterruptStatus has shown",
        "C209": "InterruptACK gets no undefined bits",
        "C219": "InterruptStatus is read before InterruptACK is written",
        "C221": "what InterruptStatus has shown is acknowledged, before it is read again",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._seen: int | None = None

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a look at the cause."""
        if offset != VIRTIO_MMIO_INTERRUPT_STATUS:
            return
        if self._seen:
            self.judge("C221", False, f"never acknowledged {self._seen:#x}")
        self._seen = value & _DEFINED

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge an acknowledgement."""
        if offset != VIRTIO_MMIO_INTERRUPT_ACK:
            return
        self.judge("C209", not value & ~_DEFINED, f"acknowledged {value:#x}")
        self.judge("C219", self._seen is not None, "acknowledged without reading InterruptStatus")
        if self._seen is None:
            return
        others = value & _DEFINED & ~self._seen
        self.judge("C208", not others, f"acknowledged {value:#x} when InterruptStatus was {self._seen:#x}")
        open_still = self._seen & ~value
        self.judge("C221", not open_still, f"never acknowledged {open_still:#x}")
        self._seen = None

    def reset(self) -> None:
        """Nothing is pending any more."""
        super().reset()
        self._seen = None
