"""How a driver reads the configuration space (spec: "Device Configuration Space")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_ID_BALLOON,
    VIRTIO_ID_BLOCK,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_CONFIG_GENERATION,
)
from hv.monitor.area import AT_ANY_TIME, Area
from hv.monitor.conduct import Conduct
from hv.monitor.verdicts import Book

_WIDE = {VIRTIO_ID_BLOCK: frozenset({0})}
"""Offsets of fields of 64 bits, by VIRTIO_ID_*."""

_OPTIONAL: Mapping[int, Mapping[range, int]] = {
    VIRTIO_ID_BLOCK: {
        range(8, 12): 1, range(12, 16): 2, range(16, 20): 4, range(20, 24): 6, range(24, 32): 10,
        range(32, 33): 11, range(34, 36): 12, range(36, 48): 13, range(48, 57): 14, range(60, 72): 16,
        range(72, 93): 17,
    },
    VIRTIO_ID_BALLOON: {range(8, 12): 3, range(12, 16): 4},
}  # fmt: skip
"""The feature bit that a field of the configuration depends on, by VIRTIO_ID_*."""


class ConfigurationSpace(Area):
    """Fields that are optional, and fields that do not come in one piece."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C035": "both halves of a field of 64 bits are read between two reads of ConfigGeneration",
        "C037": "a field of 64 bits is read again when ConfigGeneration has changed meanwhile",
        "C038": "DeviceFeatures were read, and offer the feature, before an optional field is accessed",
        "C043": "on the legacy interface a field of 64 bits is read until two reads agree",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._generation: int | None = None
        self._halves: dict[int, int] = {}
        self._previous: tuple[int, int] | None = None
        self._torn = False

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a load."""
        at = offset - VIRTIO_MMIO_CONFIG
        wide = _WIDE.get(self.conduct.device_id, frozenset())
        if offset == VIRTIO_MMIO_CONFIG_GENERATION and not self.conduct.legacy:
            self._bracket(value)
        elif at >= 0:
            self._optional(at)
            if at & ~7 in wide:
                self._halves[at & 4] = value
                if self.conduct.legacy and len(self._halves) == 2:
                    self._compare()
                return
        if offset not in AT_ANY_TIME and offset != VIRTIO_MMIO_CONFIG_GENERATION:
            self._leave()

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a store."""
        if offset >= VIRTIO_MMIO_CONFIG:
            self._optional(offset - VIRTIO_MMIO_CONFIG)
        if offset not in AT_ANY_TIME:
            self._leave()

    def _bracket(self, generation: int) -> None:
        """Judge what was read since the generation was last read."""
        if len(self._halves) == 2:
            begun = self._generation is not None
            self.judge("C035", begun, "read 64 bits without ConfigGeneration before")
            self._torn = begun and generation != self._generation
            if not self._torn:
                self.exercised("C037")
        self._halves.clear()
        self._generation = generation

    def _compare(self) -> None:
        """Judge a field that was read without a generation."""
        now = self._halves[0], self._halves[4]
        if now == self._previous:
            self.exercised("C043")
            self._previous = None
        else:
            self._previous = now
        self._halves.clear()

    def _leave(self) -> None:
        """Judge that the driver has gone on."""
        if len(self._halves) == 2:
            self.judge("C035", False, "read 64 bits without ConfigGeneration behind")
        if self._torn:
            self.judge("C037", False, "used 64 bits that had changed while they were read")
        if self._previous is not None:
            self.judge("C043", False, "read 64 bits once")
        self._halves.clear()
        self._generation, self._previous, self._torn = None, None, False

    def _optional(self, at: int) -> None:
        for field, feature in _OPTIONAL.get(self.conduct.device_id, {}).items():
            if at in field:
                self.judge(
                    "C038", self.conduct.offers(feature), f"accessed {at:#x}, which needs feature {feature}"
                )
