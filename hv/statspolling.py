"""Asking the balloon's driver for statistics again and again, by virtual time.

Requests are due at the multiples of an interval, so that a machine that goes on from a snapshot asks when the
one before would have.
"""

from devices.virtio.balloon import Balloon


class StatsPolling:
    """The polling of one balloon; the machine calls `advance` and `look` as time goes on.

    Attributes:
        interval_ns: virtual ns from one request to the next; 0 for no polling.
        received_ns: virtual time at which the last statistics came in, asked for or not; None for never.
    """

    def __init__(self, balloon: Balloon) -> None:
        self.interval_ns = 0
        self.received_ns: int | None = None
        self._balloon = balloon
        self._received = 0
        self._due_ns = 0

    def start(self, interval_ns: int, now_ns: int) -> None:
        """Ask at every multiple of `interval_ns` after `now_ns`, instead of what was before; 0 ends it.

        A driver that is not there yet, or gives no statistics, is passed over until it can be asked.
        """
        self.interval_ns = interval_ns
        self._received = self._balloon.stats_received
        if interval_ns:
            self._due_ns = (now_ns // interval_ns + 1) * interval_ns

    def next_deadline_ns(self) -> int | None:
        """Virtual time of the next request, or None."""
        return self._due_ns if self.interval_ns else None

    def advance(self, now_ns: int) -> None:
        """Ask, if a request is due."""
        if self.interval_ns and now_ns >= self._due_ns:
            self._balloon.request_stats()
            self.start(self.interval_ns, now_ns)

    def look(self, now_ns: int) -> None:
        """See whether statistics have come in."""
        if self._balloon.stats_received != self._received:
            self._received = self._balloon.stats_received
            self.received_ns = now_ns
