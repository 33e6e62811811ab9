"""What a balloon's driver asked for, and what of that makes no sense: the host's own knowledge.

Both outlive a reset, because a reset says nothing of pages; a new machine starts with new ones.
"""

from dataclasses import dataclass, fields
from typing import Self

from devices.state import Fields, State

_COUNT_MAX = (1 << 63) - 1


@dataclass
class _Counts:
    """Counts that only grow; saved by name."""

    def save(self) -> State:
        """Return all counts."""
        return dict(vars(self))

    @classmethod
    def read(cls, state: object, where: str) -> Self:
        """Return saved counts; raises StateError, which calls the state `where`."""
        names = tuple(field.name for field in fields(cls))
        saved = Fields(state, where, names)
        return cls(**{name: saved.integer(name, 0, _COUNT_MAX) for name in names})

    def take(self, other: Self) -> None:
        """Become equal to `other`."""
        vars(self).update(vars(other))


@dataclass
class BalloonCounters(_Counts):
    """What the driver asked for, since the machine was made; pages of 4 KiB."""

    inflate_requests: int = 0
    inflated_pages: int = 0  # pages that went into the balloon
    deflate_requests: int = 0
    deflated_pages: int = 0  # pages that came out of it
    discarded_bytes: int = 0  # given back to the host by inflating, pages that held nothing included
    stats_buffers: int = 0  # statistics that came in
    hint_rounds: int = 0  # rounds of hinting that the driver began
    hinted_pages: int = 0  # pages hinted in a round that was on
    report_requests: int = 0
    reported_pages: int = 0  # pages reported as free, as often as they were
    reported_bytes_discarded: int = 0  # of these, given back to the host; the others had to keep a poison


@dataclass
class BalloonAnomalies(_Counts):
    """Requests that a correct driver does not make."""

    double_inflates: int = 0  # PFNs of pages that were in the balloon already
    stray_deflates: int = 0  # PFNs of pages that were not in it
    pfns_outside_ram: int = 0
    pfns_ignored: int = 0  # beyond kernels.MAX_PFNS in one buffer
    odd_buffers: int = 0  # PFNs or statistics: length no multiple of one
    empty_buffers: int = 0  # not one whole PFN to read
    surplus_stats: int = 0  # buffers in statsq beside the one that the device keeps
    odd_hint_commands: int = 0  # commands in free_page_vq that are not four bytes
    repeated_hint_commands: int = 0  # a round's command again
    odd_pages: int = 0  # hinted or reported memory that is not whole pages
