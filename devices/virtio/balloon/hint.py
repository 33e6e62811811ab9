"""Free page hinting: in rounds that the host begins, the driver says which pages need not be carried.

The host sets a command ID. The driver sends it back, then pages that it has taken from its free list, and
VIRTIO_BALLOON_CMD_ID_STOP when it has no more. It keeps the pages until the host sets
VIRTIO_BALLOON_CMD_ID_DONE. What is in a hinted page is of no use to it, but as soon as it writes there that
is a page like any other, and it may write before the device has looked at the hint. So writes are logged from
the moment that the command ID was set, and a page counts as hinted while it has not been written to since
then (C273). The device itself changes no hinted page; whoever carries RAM elsewhere leaves them out.

Spec: virtio 1.4, "Traditional Memory Balloon Device", Free Page Hinting.
"""

from enum import Enum

import numpy as np

from devices.memory import Pages
from devices.state import Fields, State, packed
from devices.virtio.balloon.counters import BalloonAnomalies, BalloonCounters
from devices.virtio.constants import VIRTIO_BALLOON_CMD_ID_DONE, VIRTIO_BALLOON_CMD_ID_STOP
from devices.virtio.queue import Virtqueue
from devices.writelog import WriteLog

_COMMAND_BYTES = 4
_FIRST_ID = VIRTIO_BALLOON_CMD_ID_DONE + 1
_U32 = 0xFFFF_FFFF


class HintState(Enum):
    """How a round of hinting stands."""

    STOPPED = "stopped"  # by the host, which may want more; the driver keeps what it has hinted
    REQUESTED = "requested"  # the host has set a command ID
    RUNNING = "running"  # the driver has sent it, and pages follow
    COMPLETE = "complete"  # the driver has no more
    DONE = "done"  # the host is done with the hinted pages, and the driver has them back


class _Command(Enum):
    """What the driver says in a buffer for reading."""

    OURS = "the command ID of this round"
    STOP = "VIRTIO_BALLOON_CMD_ID_STOP"
    OTHER = "any other number"


_NEXT = {
    (HintState.REQUESTED, _Command.OURS): HintState.RUNNING,
    (HintState.RUNNING, _Command.STOP): HintState.COMPLETE,
    (HintState.RUNNING, _Command.OTHER): HintState.REQUESTED,
}
"""What a driver's command changes; nothing else does. Pages count in RUNNING only (C272)."""

_LIVE = (HintState.REQUESTED, HintState.RUNNING, HintState.COMPLETE)


class FreePageHint:
    """The rounds of one balloon.

    Attributes:
        state: how the round stands.
    """

    def __init__(self, writes: WriteLog, counters: BalloonCounters, anomalies: BalloonAnomalies) -> None:
        self.state = HintState.STOPPED
        self._writes = writes
        self._counters = counters
        self._anomalies = anomalies
        self._id = VIRTIO_BALLOON_CMD_ID_DONE  # of the last round
        self._named = np.zeros(len(writes.pages), np.bool_)
        self._written_before = np.zeros(len(writes.pages), np.bool_)  # the device was restored, in this round

    @property
    def cmd_id(self) -> int:
        """The value of free_page_hint_cmd_id in the configuration space."""
        if self.state in _LIVE:
            return self._id
        return VIRTIO_BALLOON_CMD_ID_DONE if self.state is HintState.DONE else VIRTIO_BALLOON_CMD_ID_STOP

    @property
    def pages(self) -> Pages:
        """For each page, whether it was hinted and not written to since its command ID was set."""
        return self._named & ~self._written

    @property
    def _judges(self) -> bool:
        """Whether it matters what is written to."""
        return self.state in _LIVE or bool(self.pages.any())

    @property
    def _written(self) -> Pages:
        return self._writes.pages | self._written_before

    def start(self) -> None:
        """Begin a round, with the next command ID; pages that the driver still holds stay hinted."""
        self._named = self.pages
        self._written_before[:] = False
        self._writes.start()
        self._id = self._id + 1 if self._id < _U32 else _FIRST_ID
        self.state = HintState.REQUESTED

    def stop(self) -> None:
        """Have the driver hint no more for now, and keep the pages."""
        if self.state in _LIVE:
            self.state = HintState.STOPPED

    def finish(self) -> None:
        """Let the driver have its pages back: from now on their contents count (C274)."""
        self._forget()
        self.state = HintState.DONE

    def reset(self) -> None:
        """The driver is gone, and its hints with it."""
        self._forget()
        self.state = HintState.STOPPED

    def take(self, queue: Virtqueue) -> None:
        """Take commands and pages, in order."""
        for batch in queue.batches():
            for row in range(batch.count):
                command = batch.read(row, _COMMAND_BYTES + 1)
                if command:
                    self._obey(command)
                if self.state is HintState.RUNNING:
                    for addr, length in batch.writable_spans(row):
                        first, end, odd = batch.memory.whole_pages(addr, length)
                        self._named[first:end] = True
                        self._counters.hinted_pages += end - first
                        self._anomalies.odd_pages += odd
            queue.push(batch, untouched=True)

    def _obey(self, command: bytes) -> None:
        if len(command) != _COMMAND_BYTES:
            self._anomalies.odd_hint_commands += 1
            return
        number = int.from_bytes(command, "little")
        if number == VIRTIO_BALLOON_CMD_ID_STOP:
            said = _Command.STOP
        else:
            said = _Command.OURS if number == self.cmd_id else _Command.OTHER
        if said is _Command.OURS:
            self._anomalies.repeated_hint_commands += self.state is not HintState.REQUESTED
            self._counters.hint_rounds += self.state is HintState.REQUESTED
        self.state = _NEXT.get((self.state, said), self.state)

    def _forget(self) -> None:
        self._named[:] = False
        self._written_before[:] = False
        self._writes.stop()

    def save(self) -> State:
        """Return the round, the pages that count as hinted, and those that cannot in this round."""
        written = self._written if self._judges else np.zeros_like(self._named)
        return {
            "state": self.state.value,
            "id": self._id,
            "pages": packed(self.pages),
            "written": packed(written),
        }

    def restored(self, state: object) -> "FreePageHint":
        """Return what `save()` described, to `go_on` with, with the same counters; raises StateError."""
        saved = Fields(state, "balloon.hint", ("state", "id", "pages", "written"))
        fresh = FreePageHint(self._writes, self._counters, self._anomalies)
        name = saved.text("state", 20)
        try:
            fresh.state = HintState(name)
        except ValueError:
            raise saved.fail("state", f"{name!r} is no state of a round") from None
        fresh._id = saved.integer("id", VIRTIO_BALLOON_CMD_ID_DONE, _U32)
        fresh._named = saved.flags("pages", len(self._named))
        fresh._written_before = saved.flags("written", len(self._named))
        return fresh

    def go_on(self) -> None:
        """Log writes from now on if there is something to judge by them."""
        if self._judges:
            self._writes.start()
        else:
            self._writes.stop()
