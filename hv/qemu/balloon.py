"""QEMU's balloon as its own trace tells of it: which pages it was given, and what was asked for.

QMP knows no more than the driver's claim. QEMU's trace events have the rest, a line each: which queue is
worked on, each buffer that is taken out of it, each page in that buffer.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from devices.memory import PAGE_SIZE, Pages
from devices.virtio.balloon.features import BalloonQueue

EVENTS = ("virtio_queue_notify", "virtqueue_pop", "virtio_balloon_handle_output", "virtio_balloon_set_config")

_LINE = re.compile(
    r"virtio_queue_notify vdev \w+ n (?P<number>\d+) vq (?P<notified>\w+)"
    r"|virtqueue_pop vq (?P<popped>\w+)"
    r"|virtio_balloon_handle_output .* gpa: (?P<page>\w+)"
    r"|virtio_balloon_set_config actual: (?P<actual>\d+)"
)


@dataclass
class BalloonRequests:
    """What the driver asked for, as `BalloonCounters` has it; of reports and statistics nothing is known."""

    inflate_requests: int = 0
    inflated_pages: int = 0
    deflate_requests: int = 0
    deflated_pages: int = 0


class BalloonTrace:
    """What QEMU has written of its balloon, as far as it was read.

    Args:
        log: the trace (`-D`), with EVENTS enabled (`-trace`).
        base: where RAM begins.
        pages: of RAM.

    Attributes:
        ballooned: for each page of RAM, whether it was given and not asked back.
        requests: what was asked for.
        actual_pages: the driver's claim.
    """

    def __init__(self, log: Path, base: int, pages: int) -> None:
        self.ballooned: Pages = np.zeros(pages, np.bool_)
        self.requests = BalloonRequests()
        self.actual_pages = 0
        self._log = log
        self._base = base
        self._at = 0
        self._numbers: dict[str, int] = {}
        self._queue: int | None = None
        self._begun = False

    def read(self) -> None:
        """Take what has been written since."""
        with self._log.open() as log:
            log.seek(self._at)
            while (line := log.readline()).endswith("\n"):
                self._at += len(line)
                found = _LINE.match(line)
                if found is not None:
                    self._take(**found.groupdict())

    def _take(
        self,
        number: str | None,
        notified: str | None,
        popped: str | None,
        page: str | None,
        actual: str | None,
    ) -> None:
        if number is not None and notified is not None:
            self._numbers[notified] = int(number)
        elif popped is not None:
            self._queue, self._begun = self._numbers.get(popped), False
        elif actual is not None:
            self.actual_pages = int(actual)
        elif page is not None:
            self._move((int(page, 0) - self._base) // PAGE_SIZE)

    def _move(self, page: int) -> None:
        """Enter a page of the buffer that was taken out last."""
        inflating = self._queue == BalloonQueue.INFLATE
        moved, requests = bool(self.ballooned[page] != inflating), not self._begun
        self.ballooned[page], self._begun = inflating, True
        if inflating:
            self.requests.inflate_requests += requests
            self.requests.inflated_pages += moved
        else:
            self.requests.deflate_requests += requests
            self.requests.deflated_pages += moved
