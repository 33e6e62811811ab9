"""What happens on a machine at given virtual times, and not because the guest did something."""

import heapq
import itertools
from collections.abc import Callable
from typing import Protocol


class Timed(Protocol):
    """Something of a machine that has a time of its own."""

    def next_deadline_ns(self) -> int | None:
        """Virtual time at which it has something to do, or None."""

    def advance(self, now_ns: int) -> None:
        """Do all that is due at a virtual time."""


class Agenda:
    """What the host does at given virtual times, in their order (`Timed`)."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Callable[[], None]]] = []
        self._entered = itertools.count()

    def enter(self, ns: int, action: Callable[[], None]) -> None:
        """Have `action` called at virtual time `ns`, after what was entered for that time before."""
        heapq.heappush(self._entries, (ns, next(self._entered), action))

    def clear(self) -> None:
        """Forget all that is entered."""
        self._entries.clear()

    def next_deadline_ns(self) -> int | None:
        """Virtual time of the next entry, or None."""
        return self._entries[0][0] if self._entries else None

    def advance(self, now_ns: int) -> None:
        """Do what is due at a virtual time."""
        while self._entries and self._entries[0][0] <= now_ns:
            heapq.heappop(self._entries)[-1]()
