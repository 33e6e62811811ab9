"""Events on their way to the clients: stamped with the host's time, and none too often."""

import time
from collections.abc import Callable
from typing import Any

RATE_S = {"BALLOON_CHANGE": 1.0}
"""Seconds from one event of a kind to the next (QEMU's `monitor_qapi_event_conf`); of those between, the last
one counts, and comes then."""


class Events:
    """Passes events on.

    Args:
        send: gets each event as a message, when it is due.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._next: dict[str, float] = {}
        self._held: dict[str, dict[str, Any]] = {}

    def emit(self, name: str, data: dict[str, Any]) -> None:
        """Take an event: send it, or hold it until its kind may be sent again."""
        now = time.time()
        seconds, microseconds = divmod(int(now * 1e6), 1_000_000)
        message: dict[str, Any] = {
            "timestamp": {"seconds": seconds, "microseconds": microseconds},
            "event": name,
        }
        if data:
            message["data"] = data
        if name in RATE_S and time.monotonic() < self._next.get(name, 0):
            self._held[name] = message
        else:
            self._pass_on(name, message)

    def wait_s(self) -> float | None:
        """Seconds until `send_due` has something to do; None for never."""
        due = [self._next[name] for name in self._held]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def send_due(self) -> None:
        """Send what was held for long enough."""
        now = time.monotonic()
        for name in [name for name in self._held if self._next[name] <= now]:
            self._pass_on(name, self._held.pop(name))

    def _pass_on(self, name: str, message: dict[str, Any]) -> None:
        if name in RATE_S:
            self._next[name] = time.monotonic() + RATE_S[name]
        self._send(message)
