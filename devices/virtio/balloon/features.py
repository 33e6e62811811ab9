"""The balloon's optional features: their names, and what each brings of queues and configuration fields.

The specification gives every queue a number of its own, whether the ones before it exist or not. Linux
numbers the queues of the features that it negotiated without gaps (`vm_find_vqs` skips a queue without a name
and does not count it), and QEMU leaves out the queues of features that it does not offer. The two numberings
differ only where a feature is missing below one that is there. Then both sets of numbers exist, and the
queues that the driver has enabled say which of the two it means.
"""

from collections.abc import Callable, Iterable
from enum import IntEnum

from devices.errors import DeviceError
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_BALLOON_F_STATS_VQ,
)

FEATURE_BITS = {
    "must-tell-host": VIRTIO_BALLOON_F_MUST_TELL_HOST,
    "stats": VIRTIO_BALLOON_F_STATS_VQ,
    "deflate-on-oom": VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
    "free-page-hint": VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    "page-poison": VIRTIO_BALLOON_F_PAGE_POISON,
    "free-page-reporting": VIRTIO_BALLOON_F_REPORTING,
}
"""Feature bit numbers by name; the names are QEMU's where it has one."""

ALL_FEATURES = frozenset(FEATURE_BITS)

DEFAULT_FEATURES = frozenset({"must-tell-host", "stats", "free-page-hint", "page-poison"})
"""What a balloon offers unless told otherwise: all that changes nothing by itself."""


class BalloonQueue(IntEnum):
    """The queues, under their numbers in the specification; Linux calls them VIRTIO_BALLOON_VQ_*."""

    INFLATE = 0
    DEFLATE = 1
    STATS = 2
    FREE_PAGE = 3
    REPORTING = 4


_BROUGHT_BY = {
    BalloonQueue.STATS: VIRTIO_BALLOON_F_STATS_VQ,
    BalloonQueue.FREE_PAGE: VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    BalloonQueue.REPORTING: VIRTIO_BALLOON_F_REPORTING,
}

_QUEUE_SIZE = 128  # as QEMU's; Linux has one request in flight on each
_FREE_PAGE_QUEUE_SIZE = 1024  # a driver has all its hints of a round in the ring


def feature_mask(names: Iterable[str]) -> int:
    """Return the feature bits of these names; raises DeviceError for one that is none."""
    mask = 0
    for name in names:
        if name not in FEATURE_BITS:
            raise DeviceError(f"balloon feature {name!r}: there are {', '.join(FEATURE_BITS)}")
        mask |= 1 << FEATURE_BITS[name]
    return mask


def queues_of(features: int) -> tuple[BalloonQueue, ...]:
    """Return the queues that exist with these feature bits, in order."""
    return tuple(
        queue for queue in BalloonQueue if queue not in _BROUGHT_BY or features >> _BROUGHT_BY[queue] & 1
    )


def queue_sizes(offered: int) -> tuple[int, ...]:
    """Return the most entries of each queue number, in either numbering; 0 where there is no queue."""
    queues = queues_of(offered)
    sizes = [0] * len(BalloonQueue)
    for compact, queue in enumerate(queues):
        size = _FREE_PAGE_QUEUE_SIZE if queue is BalloonQueue.FREE_PAGE else _QUEUE_SIZE
        for number in (compact, queue):
            sizes[number] = max(sizes[number], size)
    return tuple(sizes)


def counts_without_gaps(negotiated: int, enabled: Callable[[int], bool]) -> bool:
    """Return which numbering a driver means that has negotiated these feature bits.

    `enabled` tells whether it has enabled the queue of a number.
    """
    queues = queues_of(negotiated)
    return any(enabled(number) for number in range(len(queues)) if number not in queues)


def numbering(negotiated: int, without_gaps: bool) -> dict[int, BalloonQueue]:
    """Return which queue each number means to a driver with these feature bits."""
    queues = enumerate(queues_of(negotiated))
    return {compact if without_gaps else int(queue): queue for compact, queue in queues}


def config_size(offered: int) -> int:
    """Return the bytes of struct virtio_balloon_config up to the last field that a feature brings."""
    if offered >> VIRTIO_BALLOON_F_PAGE_POISON & 1:
        return 16
    return 12 if offered >> VIRTIO_BALLOON_F_FREE_PAGE_HINT & 1 else 8
