"""A driver that does right things in any order is never accused."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.virtio.balloon import Balloon
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_REPORTING,
    VIRTIO_BALLOON_F_STATS_VQ,
    VIRTIO_F_IN_ORDER,
    VIRTIO_MMIO_STATUS,
    VIRTIO_RING_F_EVENT_IDX,
)
from hv.conformance.dut import RAM_BASE
from hv.conformance.ring import Buffer
from tests.unit.monitor.bench import DEFLATE, HINT, INFLATE, OK, PAGE, REPORT, STATS, Bench

_BALLOON = (VIRTIO_BALLOON_F_STATS_VQ, VIRTIO_BALLOON_F_FREE_PAGE_HINT, VIRTIO_BALLOON_F_REPORTING)
_DAY = ("inflate", "deflate", "batch", "statistics", "hint", "report", "rest", "again")


class RightDriver:
    """A balloon driver that keeps its own books, as a driver must."""

    def __init__(self, bench: Bench, features: tuple[int, ...]) -> None:
        self.bench = bench
        self.features = features
        self.inside: list[int] = []
        self.outside = list(range(1, 40))

    def start(self) -> None:
        """Initialise the device, with statistics from the start."""
        b = self.bench
        b.prepare(*_BALLOON, *self.features)
        b.add(STATS, self._statistics())
        b.set(OK)
        b.notify(STATS)

    def _statistics(self) -> Buffer:
        return self.bench.put(struct.pack("<HQHQ", 4, 1 << 20, 5, 1 << 25))

    def _give_back(self, queue: int) -> None:
        self.bench.interrupt()
        self.bench.rings[queue].reap()

    def inflate(self) -> None:
        """Give one page."""
        page = self.outside.pop()
        self.bench.send(INFLATE, self.bench.pfns(page))
        self.inside.append(page)
        self.bench.actual(len(self.inside))

    def deflate(self) -> None:
        """Take the page back that was given first, and use it."""
        if self.inside:
            page = self.inside.pop(0)
            self.bench.send(DEFLATE, self.bench.pfns(page))
            self.outside.insert(0, page)
            self.bench.use(page)
            self.bench.actual(len(self.inside))

    def batch(self) -> None:
        """Give three pages with one notification."""
        pages = [self.outside.pop() for _ in range(3)]
        for page in pages:
            self.bench.add(INFLATE, self.bench.pfns(page))
        self.bench.notify(INFLATE)
        self._give_back(INFLATE)
        self.inside += pages
        self.bench.actual(len(self.inside))

    def statistics(self) -> None:
        """Answer a request."""
        device = self.bench.device
        assert isinstance(device, Balloon)
        device.request_stats()
        self.bench.serve()
        self._give_back(STATS)
        self.bench.send(STATS, self._statistics())

    def hint(self) -> None:
        """Hint one page, and use it when the host is done."""
        device = self.bench.device
        assert isinstance(device, Balloon)
        device.start_hinting()
        self.bench.interrupt()
        number = self.bench.cr(8)
        page = self.outside[0]
        self.bench.send(HINT, self.bench.put(number.to_bytes(4, "little")))
        self.bench.send(HINT, Buffer(RAM_BASE + page * PAGE, PAGE, True))
        self.bench.send(HINT, self.bench.put(bytes(4)))
        device.finish_hinting()
        self.bench.interrupt()
        self.bench.cr(8)
        self.bench.use(page)

    def report(self) -> None:
        """Report four pages, and use one."""
        self.bench.send(REPORT, Buffer(RAM_BASE + 50 * PAGE, 4 * PAGE, True))
        self.bench.use(51)

    def rest(self) -> None:
        """Do nothing for a second."""
        self.bench.wait(10**9)
        self.bench.r(VIRTIO_MMIO_STATUS)

    def again(self) -> None:
        """Empty the balloon, reset the device and begin anew."""
        while self.inside:
            self.deflate()
        self.bench.reset()
        self.start()


@settings(max_examples=40)
@given(
    features=st.sets(st.sampled_from((VIRTIO_RING_F_EVENT_IDX, VIRTIO_F_IN_ORDER))),
    day=st.lists(st.sampled_from(_DAY), max_size=8),
)
def test_a_right_driver_is_never_accused(features: set[int], day: list[str]) -> None:
    """Whatever it does in a day, with whatever features of the ring, no clause is called broken."""
    bench = Bench()
    driver = RightDriver(bench, tuple(sorted(features)))
    driver.start()
    for deed in day:
        getattr(driver, deed)()
    assert not bench.verdicts.breaches, [breach.headline() for breach in bench.verdicts.breaches]
