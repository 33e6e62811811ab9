"""The device status and the order of its steps (spec: "Device Status Field", "Device Initialization")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_CONFIG_S_DRIVER,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_CONFIG_S_SUSPEND,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_STATUS,
)
from hv.monitor.area import AT_ANY_TIME, Area
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Ring
from hv.monitor.verdicts import Book

_STEPS = (
    ("C054", VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE, "set DRIVER before ACKNOWLEDGE"),
    ("C055", VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER, "set FEATURES_OK before DRIVER"),
    ("C063", VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, "set DRIVER_OK before FEATURES_OK"),
)
"""(clause, bit that is set, bit that must be set by an earlier write, what else is wrong)."""

_LEGACY_STEPS = (
    _STEPS[0],
    ("C063", VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_DRIVER, "set DRIVER_OK before DRIVER"),
)
_ALL = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK


class Initialization(Area):
    """The steps of the initialization, in their order."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C001": "at DRIVER_OK the bits of all earlier steps are set",
        "C002": "no write of Status but 0 lacks a bit that is known to be set",
        "C003": "no write of Status but 0 comes after FAILED",
        "C034": "after a write of 0 to Status, Status is read until it is 0 before anything else",
        "C053": "the first write to a slot is 0 to Status",
        "C054": "ACKNOWLEDGE is set before DRIVER",
        "C055": "DRIVER is set before FEATURES_OK",
        "C057": "configuration is read between DRIVER and FEATURES_OK",
        "C058": "no configuration is written between DRIVER and FEATURES_OK",
        "C059": "DRIVER_OK is not set without FEATURES_OK, nor that without features written",
        "C060": "no DriverFeatures are written after FEATURES_OK",
        "C061": "Status is read back after FEATURES_OK; if that is clear, the driver gives up",
        "C062": "queues are enabled before DRIVER_OK, unless they were reset since",
        "C063": "DRIVER_OK is set after all other steps",
        "C065": "nothing is set up after FAILED",
        "C066": "no QueueNotify is written before DRIVER_OK",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._touched = bool(conduct.identity)
        self._resetting = False
        self._verifying = False
        self._refused = False
        self._configured = False
        self._enabled: set[int] = {queue for queue, known in conduct.queues.items() if known.ring}

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge what is read when."""
        if offset in AT_ANY_TIME:
            return
        self._complete_reset(offset, value)
        if offset == VIRTIO_MMIO_STATUS and self._verifying:
            self._verifying = False
            self._refused = not value & VIRTIO_CONFIG_S_FEATURES_OK
            if not self._refused:
                self.exercised("C061")
        elif self._verifying:
            self._verifying = False
            self.judge("C061", False, "goes on without reading FEATURES_OK back")
        if offset >= VIRTIO_MMIO_CONFIG and self._feature_step:
            self.exercised("C057")

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge what is written when."""
        if offset in AT_ANY_TIME:
            return
        self._complete_reset(None, value)
        status = self.conduct.status
        reset = offset == VIRTIO_MMIO_STATUS and value == 0
        if not self._touched:
            self._touched = True
            self.judge("C053", reset, f"first wrote {value:#x} to {offset:#x}")
        self._verify(reset or (offset == VIRTIO_MMIO_STATUS and bool(value & VIRTIO_CONFIG_S_FAILED)))
        if status & VIRTIO_CONFIG_S_FAILED:
            again = offset == VIRTIO_MMIO_STATUS
            self.judge("C003", reset or not again, f"wrote {value:#x} to Status after FAILED")
            self.judge(
                "C065", again or not self._sets_up(offset, value), f"wrote to {offset:#x} after FAILED"
            )
        if offset == VIRTIO_MMIO_STATUS:
            self._resetting = reset
            if not reset:
                self._step(value)
        elif offset >= VIRTIO_MMIO_CONFIG and self._feature_step and not self.conduct.legacy:
            self._configured = True
            self.judge("C058", False, f"wrote to configuration {offset - VIRTIO_MMIO_CONFIG:#x}")
        elif offset == VIRTIO_MMIO_DRIVER_FEATURES:
            late = status & VIRTIO_CONFIG_S_FEATURES_OK
            self.judge("C060", not late, "wrote DriverFeatures after FEATURES_OK")
        elif offset == VIRTIO_MMIO_QUEUE_NOTIFY:
            begun = status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_SUSPEND)
            self.judge("C066", bool(begun), "notified a queue before DRIVER_OK")

    def reset(self) -> None:
        """All begins anew."""
        super().reset()
        self._verifying = self._refused = self._configured = False
        self._enabled.clear()

    def began(self, ring: Ring) -> None:
        """Judge when a queue is enabled for the first time."""
        if ring.index not in self._enabled:
            late = self.conduct.status & VIRTIO_CONFIG_S_DRIVER_OK
            self.judge("C062", not late, f"enabled queue {ring.index} after DRIVER_OK")
        self._enabled.add(ring.index)

    @property
    def _feature_step(self) -> bool:
        done = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK
        return self.conduct.status & (VIRTIO_CONFIG_S_DRIVER | done) == VIRTIO_CONFIG_S_DRIVER

    def _sets_up(self, offset: int, value: int) -> bool:
        """Whether a write is a step of the initialization; taking a queue away is not."""
        placed = offset in (VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_PFN) and value != 0
        return placed or offset in (VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_QUEUE_NOTIFY)

    def _complete_reset(self, offset: int | None, value: int) -> None:
        """Judge the first access after a reset was asked for; `offset` is None for a write."""
        if not self._resetting:
            return
        self._resetting = offset == VIRTIO_MMIO_STATUS and value != 0
        if not self._resetting:
            self.judge("C034", offset == VIRTIO_MMIO_STATUS, "goes on before Status was seen to be 0")

    def _verify(self, gives_up: bool) -> None:
        """Judge a write after FEATURES_OK was set, or was found to be refused."""
        if self._verifying or self._refused:
            self.judge(
                "C061", gives_up and not self._verifying, "goes on though FEATURES_OK was not seen to be set"
            )
            self._verifying = self._refused = False

    def _step(self, value: int) -> None:
        """Judge a write of Status that is no reset."""
        status = self.conduct.status
        lost = status & ~value & ~VIRTIO_CONFIG_S_SUSPEND
        self.judge("C002", not lost, f"wrote {value:#x} to Status, which was {status:#x}")
        new = value & ~status
        if value & VIRTIO_CONFIG_S_FAILED:
            return
        for clause, bit, before, detail in _LEGACY_STEPS if self.conduct.legacy else _STEPS:
            if new & bit and not self.conduct.suspending:
                self.judge(clause, bool(status & before), detail)
        if new & VIRTIO_CONFIG_S_FEATURES_OK:
            self._verifying = True
            self.judge("C059", bool(self.conduct.accepted), "set FEATURES_OK before DriverFeatures")
            if not self._configured:
                self.exercised("C058")
        if new & VIRTIO_CONFIG_S_DRIVER_OK and not self.conduct.suspending:
            wanted = _ALL if self.conduct.legacy else _ALL | VIRTIO_CONFIG_S_FEATURES_OK
            self.judge("C001", value & wanted == wanted, f"set DRIVER_OK with Status {value:#x}")
            if not self.conduct.legacy:
                settled = value & VIRTIO_CONFIG_S_FEATURES_OK
                self.judge("C059", bool(settled), "set DRIVER_OK without FEATURES_OK")
            self.judge("C062", bool(self._enabled), "set DRIVER_OK without a queue")
