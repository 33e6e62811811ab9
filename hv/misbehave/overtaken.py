"""Answers that another one overtakes.

A device that has agreed to VIRTIO_F_IN_ORDER must not do that; any other may, and its driver must bear it.
It takes two requests in flight: the answers of the first visit are hidden until a second visit has some too.
Then the last answer is shown alone, and a little later the rest in reverse. When no second one comes, nothing
happens.
"""

from typing import TYPE_CHECKING

from devices.virtio.constants import VIRTIO_MMIO_INT_VRING
from hv.misbehave.visit import Visit

if TYPE_CHECKING:
    from hv.misbehave.around import Misbehaviour

_HELD_NS = 5_000_000
_AHEAD_NS = 1_000_000


class Overtaken:
    """Answers of one queue that are on hold; made at the visit that has the first of them."""

    def __init__(self, device: "Misbehaviour", visit: Visit) -> None:
        self._device = device
        self._queue = visit.queue
        self._first = visit.used_idx
        visit.serve()
        visit.used_idx = self._first
        self._answers = visit.answers
        self._overtaken = False
        self._until = device.now_ns + _HELD_NS
        device.look_again(visit.queue.index, _HELD_NS)

    def concerns(self, visit: Visit) -> bool:
        """Whether the visit is to the queue whose answers these are, and not to a new one in its place."""
        return visit.queue is self._queue

    def go_on(self, visit: Visit) -> bool:
        """Make the next visit to the queue; return whether all answers are out."""
        visit.serve()
        self._answers += visit.answers
        together = len(self._answers)
        if not self._overtaken and together > 1:
            for number, answer in enumerate(reversed(self._answers)):
                visit.show(self._first + number, answer)
            self._overtaken = True
            self._until = self._device.now_ns + _AHEAD_NS
            self._device.look_again(visit.queue.index, _AHEAD_NS)
        over = self._device.now_ns >= self._until
        visit.used_idx = self._first + (together if over else int(self._overtaken))
        self._device.transport.interrupt(VIRTIO_MMIO_INT_VRING)
        return over
