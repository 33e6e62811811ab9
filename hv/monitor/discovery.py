"""How a driver finds out what is in a slot (spec: "MMIO-specific Initialization And Device Operation")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VERSION,
)
from hv.monitor.area import Area
from hv.monitor.conduct import Conduct
from hv.monitor.verdicts import Book

_MAGIC = int.from_bytes(b"virt", "little")
_VERSIONS = (1, 2)
_IDENTITY = (VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION, VIRTIO_MMIO_DEVICE_ID)
_SELECTED_BY = {
    VIRTIO_MMIO_DEVICE_FEATURES: (VIRTIO_MMIO_DEVICE_FEATURES_SEL, "C201"),
    VIRTIO_MMIO_DRIVER_FEATURES: (VIRTIO_MMIO_DRIVER_FEATURES_SEL, "C202"),
}


class Discovery(Area):
    """Magic, version and device ID, and what a driver does with a slot that it must leave alone."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C030": "a slot of version 1 is left alone",
        "C195": "a slot whose MagicValue is wrong is left alone",
        "C197": "a slot whose Version is none that there is is left alone",
        "C199": "a slot whose DeviceID is 0 is left alone",
        "C201": "DeviceFeaturesSel is written before DeviceFeatures is read",
        "C202": "DriverFeaturesSel is written before DriverFeatures",
        "C213": "MagicValue and Version are read before anything else",
        "C214": "DeviceID is read before a device is used",
        "C215": "no device is initialized whose DeviceID is 0",
        "C216": "of a slot whose DeviceID is 0 only MagicValue, Version and DeviceID are accessed",
        "C218": "after DeviceID comes the initialization that all transports have: a reset",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._settled = bool(conduct.identity)
        self._used = bool(conduct.identity)

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a load."""
        self._judge(offset)
        if offset == VIRTIO_MMIO_DEVICE_ID and not value:
            for clause in ("C199", "C215", "C216"):
                self.exercised(clause)
        elif offset == VIRTIO_MMIO_MAGIC_VALUE and value != _MAGIC:
            self.exercised("C195")
        elif offset == VIRTIO_MMIO_VERSION and value not in _VERSIONS:
            self.exercised("C197")

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a store."""
        self._judge(offset)
        if self._used:
            return
        self._used = True
        self.judge("C214", VIRTIO_MMIO_DEVICE_ID in self.conduct.identity, "never read DeviceID")
        reset = offset == VIRTIO_MMIO_STATUS and value == 0
        self.judge("C218", reset, f"began with a write to {offset:#x}, not with a reset")

    def settle(self) -> None:
        """A driver that knows of the legacy interface and let it be."""
        super().settle()
        if self.conduct.legacy and self.conduct.device_id and not self._used:
            self.exercised("C030")

    def _judge(self, offset: int) -> None:
        identity = self.conduct.identity
        if not self._settled and offset not in (VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION):
            self._settled = True
            known = {VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION} <= identity.keys()
            self.judge("C213", known, f"accessed {offset:#x} before MagicValue and Version")
        if offset not in _IDENTITY:
            self._leave_alone(offset)
        if offset in _SELECTED_BY:
            selector, clause = _SELECTED_BY[offset]
            chosen = selector in self.conduct.selected
            self.judge(clause, chosen, f"accessed {offset:#x} before {selector:#x} was written")

    def _leave_alone(self, offset: int) -> None:
        """Judge an access behind the identity of the slot."""
        identity = self.conduct.identity
        if identity.get(VIRTIO_MMIO_MAGIC_VALUE, _MAGIC) != _MAGIC:
            self.judge("C195", False, f"accessed {offset:#x} of a slot without the magic")
        if identity.get(VIRTIO_MMIO_VERSION, 2) not in _VERSIONS:
            self.judge("C197", False, f"accessed {offset:#x} of a slot of an unknown version")
        if identity.get(VIRTIO_MMIO_DEVICE_ID) == 0:
            self.judge("C216", False, f"accessed {offset:#x} of a slot without a device")
            self.judge("C199", False, f"accessed {offset:#x} of a slot without a device")
            if offset == VIRTIO_MMIO_STATUS:
                self.judge("C215", False, "initializes a slot without a device")
