"""Who tells whom of buffers (spec: "Available" and "Used Buffer Notification Suppression").

When a driver adds buffers, the device's wish is read at once, before the device can change it. A
notification that is due may come a moment later; one that never comes is missing after `LATE_NS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devices.virtio.constants import VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_RING_F_EVENT_IDX
from hv.monitor.area import Area
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book

_NO_NOTIFY = 1
_NO_INTERRUPT = 1
_DUE = ("C157", "C159", "C160", "C161")
"""Clauses that want a notification."""


@dataclass
class _Wishes:
    """What was last seen of one ring: chains added that were not judged yet, and what both sides want."""

    added: int = 0
    avail_flags: int = 0
    used_event: int | None = None
    was_silent: bool = False


class Notifications(Area):
    """Available buffer notifications, and how the driver asks for used buffer notifications."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C140": "without EVENT_IDX the available ring's flags are 0 or 1",
        "C141": "without EVENT_IDX the available ring's flags are 1",
        "C142": "with EVENT_IDX the available ring's flags are 0",
        "C143": "with EVENT_IDX used_event moves",
        "C157": "without EVENT_IDX a notification comes though avail_event is somewhere else",
        "C158": "without EVENT_IDX no notification comes while the used ring's flags are 1",
        "C159": "without EVENT_IDX a notification comes for buffers added while the used ring's flags are 0",
        "C160": "with EVENT_IDX a notification comes though the used ring's flags are 1",
        "C161": "with EVENT_IDX a notification comes when the index passes avail_event",
        "C162": "with EVENT_IDX no other notification comes",
        "C174": "the driver turns used buffer notifications off and on again",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._wishes: dict[int, _Wishes] = {}

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a notification."""
        if offset != VIRTIO_MMIO_QUEUE_NOTIFY:
            return
        index = self.conduct.notified_queue(value)
        ring = self.conduct.queue(index).ring
        if ring is None or not ring.usable:
            return
        wishes = self._wishes.setdefault(index, _Wishes())
        if self._event_idx:
            wanted = self._passes(ring, len(ring.outstanding))
            self.judge("C162", wanted, f"notified queue {index}, which the device did not ask for")
        else:
            suppressed = ring.used_flags & _NO_NOTIFY
            self.judge("C158", not suppressed, f"notified queue {index} while the used ring's flags are 1")
        wishes.added = 0
        for clause in _DUE:
            self.paid(clause, index)

    def began(self, ring: Ring) -> None:
        """Both sides begin anew."""
        self._wishes[ring.index] = _Wishes()

    def ended(self, ring: Ring, how: str) -> None:
        """Nothing is owed for a queue that is gone."""
        for clause in _DUE:
            self.forgive(clause, ring.index)

    def appeared(self, ring: Ring, chain: Chain) -> None:
        """Note a chain; whether the device wants to hear of it is judged when all that are new are known."""
        self._wishes.setdefault(ring.index, _Wishes()).added += 1

    def returned(self, ring: Ring, chain: Chain) -> None:
        """A device that found a buffer by itself need not be told of it any more."""
        wishes = self._wishes.setdefault(ring.index, _Wishes())
        if not ring.outstanding:
            wishes.added = 0
            for clause in _DUE:
                self.forgive(clause, ring.index)

    def looked(self, ring: Ring) -> None:
        """Judge flags, and whether a notification is due."""
        wishes = self._wishes.setdefault(ring.index, _Wishes())
        flags = ring.avail_flags
        clause, legal = ("C142", flags == 0) if self._event_idx else ("C140", flags in (0, _NO_INTERRUPT))
        self.judge(clause, legal, f"available ring's flags of queue {ring.index} are {flags:#x}")
        self._judge_silence(ring, wishes, flags)
        if not wishes.added or not self.conduct.live:
            return
        passed, silent = self._passes(ring, wishes.added), bool(ring.used_flags & _NO_NOTIFY)
        due: tuple[str, ...] = ()
        if self._event_idx and passed:
            due = ("C160", "C161") if silent else ("C161",)
        elif not self._event_idx and not silent:
            due = ("C159",) if passed else ("C157", "C159")
        # What the device wishes later does not concern these: it looks for them itself when it wishes.
        wishes.added = 0
        for clause in due:
            self.owe(clause, f"did not notify queue {ring.index} of new buffers", ring.index)

    @property
    def _event_idx(self) -> bool:
        return self.conduct.negotiated(VIRTIO_RING_F_EVENT_IDX)

    def _passes(self, ring: Ring, added: int) -> bool:
        """Whether the last `added` chains took the index past avail_event (Linux: `vring_need_event`)."""
        return (ring.available - ring.avail_event - 1) & 0xFFFF < added

    def _judge_silence(self, ring: Ring, wishes: _Wishes, flags: int) -> None:
        """Note how the driver makes use of suppression."""
        if self._event_idx:
            event = ring.used_event
            if wishes.used_event is not None and event != wishes.used_event:
                self.exercised("C143")
                self.exercised("C174")
            wishes.used_event = event
            return
        if flags & _NO_INTERRUPT:
            self.exercised("C141")
            wishes.was_silent = True
        elif wishes.was_silent:
            self.exercised("C174")
            wishes.was_silent = False
