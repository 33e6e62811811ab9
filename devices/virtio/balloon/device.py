"""The memory balloon: the driver hands pages over, the host gives their memory back, and keeps books.

The host asks for `target_pages` (num_pages in the configuration space); the driver answers with PFNs on
the inflate or the deflate queue and reports `actual_pages`. A page that is inflated is discarded: its
contents are gone, and it reads zero until it is written again. A page that is deflated needs no action.

The books (`ballooned`, `counters`) are the host's own knowledge, made of requests only; `actual_pages`
is the driver's claim. They outlive a reset of the device, because a reset says nothing of pages; a new
machine starts with new ones. Requests that contradict the books or make no sense are counted in
`anomalies`, carried out as far as they can be, and always given back.

What comes with optional features is in files of its own: statistics, hints, reports. They go with the driver:
a reset ends them.

Spec: virtio 1.4, "Traditional Memory Balloon Device"; Linux: drivers/virtio/virtio_balloon.c.
"""

import struct
from collections.abc import Callable, Iterable

from devices.errors import DeviceError
from devices.memory import GuestMemory, Pages
from devices.state import Fields, State, packed
from devices.virtio import kernels
from devices.virtio.balloon.counters import BalloonAnomalies, BalloonCounters
from devices.virtio.balloon.features import (
    DEFAULT_FEATURES,
    BalloonQueue,
    config_size,
    counts_without_gaps,
    feature_mask,
    numbering,
    queue_sizes,
)
from devices.virtio.balloon.hint import FreePageHint, HintState
from devices.virtio.balloon.pages import BalloonPages
from devices.virtio.balloon.report import FreePageReporting
from devices.virtio.balloon.stats import Statistics
from devices.virtio.constants import (
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
    VIRTIO_BALLOON_F_PAGE_POISON,
    VIRTIO_BALLOON_F_STATS_VQ,
    VIRTIO_F_VERSION_1,
    VIRTIO_ID_BALLOON,
)
from devices.virtio.device import Carrier, VirtioDevice
from devices.virtio.queue import Virtqueue

_CONFIG = struct.Struct("<IIII")
"""struct virtio_balloon_config: num_pages, actual, free_page_hint_cmd_id, poison_val."""

_ACTUAL = slice(4, 8)
_POISON_VAL = slice(12, 16)
_U32 = 0xFFFF_FFFF


class Balloon(VirtioDevice):
    """The device.

    Args:
        features: names of the features that it offers (`FEATURE_BITS`); a driver may decline each of them.

    Attributes:
        actual_pages: the driver's claim of how many pages it has given.
        poison_val: what the driver fills its free pages with, four bytes over and over; 0 unless it has
            negotiated VIRTIO_BALLOON_F_PAGE_POISON.
        counters: what was asked for.
        anomalies: what was asked for and makes no sense.
    """

    device_id = VIRTIO_ID_BALLOON

    def __init__(self, features: Iterable[str] = DEFAULT_FEATURES) -> None:
        super().__init__()
        self.features = feature_mask(features)
        self.queue_sizes = queue_sizes(self.features)
        self.actual_pages = 0
        self.poison_val = 0
        self.counters = BalloonCounters()
        self.anomalies = BalloonAnomalies()
        self._target_pages = 0
        self._actual = bytearray(4)  # as far as it is written
        self._without_gaps = False
        self._numbers: dict[int, BalloonQueue] = {}
        self.handlers = (self._handle,) * len(self.queue_sizes)

    def attach(self, memory: GuestMemory) -> None:
        """Open the books for this RAM: no page is ballooned."""
        self._pages = BalloonPages(memory, self.counters, self.anomalies)
        self._stats = Statistics(self.counters, self.anomalies)
        self._hint = FreePageHint(memory.writes, self.counters, self.anomalies)
        self._reporting = FreePageReporting(self.counters, self.anomalies)

    # The host's side.

    @property
    def target_pages(self) -> int:
        """Pages that the host wants in the balloon."""
        return self._target_pages

    def set_target(self, pages: int) -> None:
        """Ask the driver for a balloon of `pages` pages of 4 KiB; now, or when there is a driver.

        A target beyond RAM is legal: a driver gives what it can. Raises DeviceError for a number that the
        configuration space cannot hold.
        """
        if not 0 <= pages <= _U32:
            raise DeviceError(f"balloon target of {pages} pages: must be 0 to {_U32}")
        if pages != self._target_pages:
            self._target_pages = pages
            self._config_changed()

    @property
    def ballooned(self) -> kernels.Flags:
        """For each page of RAM, whether the host has it; read-only for others."""
        return self._pages.ballooned

    @property
    def queues_in_use(self) -> int:
        """How many queues the driver has given the device."""
        carrier = self._carrier
        return 0 if carrier is None else sum(map(carrier.ready, range(len(self.queue_sizes))))

    @property
    def stats(self) -> dict[str, int] | None:
        """What the driver last said of its memory (`STATISTICS`), or None while it has said nothing."""
        return self._stats.values

    @property
    def stats_received(self) -> int:
        """How many buffers of statistics have come in, since the machine was made."""
        return self.counters.stats_buffers

    def request_stats(self) -> bool:
        """Ask the driver for fresh statistics; return whether there is one that has negotiated to give them.

        While an answer is still due, the driver is asked again as soon as it has come.
        """
        able = self._has(VIRTIO_BALLOON_F_STATS_VQ)
        if able and self._carrier is not None:
            self._stats.request()
            numbers = {role: number for number, role in self._numbers.items()}
            self._carrier.attend(numbers[BalloonQueue.STATS])
        return able

    @property
    def page_poison(self) -> bool:
        """Whether VIRTIO_BALLOON_F_PAGE_POISON is negotiated: what the driver reports keeps `poison_val`."""
        return self._has(VIRTIO_BALLOON_F_PAGE_POISON)

    @property
    def free_page_hint_cmd_id(self) -> int:
        """The command ID in the configuration space."""
        return self._hint.cmd_id

    @property
    def hint_state(self) -> HintState:
        """How the round of hinting stands."""
        return self._hint.state

    @property
    def hinted(self) -> Pages:
        """For each page of RAM, whether a carrier may leave it out: hinted, and not written to since."""
        return self._hint.pages

    def start_hinting(self) -> bool:
        """Ask the driver for hints; return whether there is one that has negotiated to give them."""
        return self._change_hinting(self._hint.start)

    def stop_hinting(self) -> bool:
        """Have the driver hint no more for now; it keeps the pages. Returns as `start_hinting`."""
        return self._change_hinting(self._hint.stop)

    def finish_hinting(self) -> bool:
        """Be done with the hinted pages: they are the driver's again. Returns as `start_hinting`."""
        return self._change_hinting(self._hint.finish)

    def _change_hinting(self, change: Callable[[], None]) -> bool:
        able = self._has(VIRTIO_BALLOON_F_FREE_PAGE_HINT)
        before = self._hint.cmd_id
        if able:
            change()
        if self._hint.cmd_id != before:
            self._config_changed()
        return able

    # The driver's side.

    def config(self) -> bytes:
        """Return struct virtio_balloon_config as far as the offered features define it."""
        actual = int.from_bytes(self._actual, "little")
        fields = _CONFIG.pack(self._target_pages, actual, self._hint.cmd_id, self.poison_val)
        return fields[: config_size(self.features)]

    def write_config(self, offset: int, data: bytes) -> None:
        """Take a write to `actual` or `poison_val`, also of some of its bytes; the rest is the host's.

        A claim counts when its last byte is there: a legacy driver may write one at a time (C246).
        """
        config = bytearray(self.config())
        end = min(offset + len(data), len(config))
        config[offset:end] = data[: max(0, end - offset)]
        self._actual[:] = config[_ACTUAL]
        if offset < _ACTUAL.stop <= end:
            self.actual_pages = int.from_bytes(self._actual, "little")
        if self._carrier is None or self.page_poison:
            self.poison_val = int.from_bytes(config[_POISON_VAL], "little")

    def activate(self, carrier: Carrier, features: int) -> None:
        """Find out how the driver counts its queues; a poison value needs its feature."""
        self._without_gaps = counts_without_gaps(features, carrier.ready)
        super().activate(carrier, features)
        if not self.page_poison:
            self.poison_val = 0

    def go_on(self, carrier: Carrier, features: int) -> None:
        """Know again which queue is which, whether the driver has taken one back since or not."""
        super().go_on(carrier, features)
        self._numbers = numbering(features, self._without_gaps)

    def reset(self) -> None:
        """Forget the driver, what it said of its memory, its hints and its poison."""
        super().reset()
        self.poison_val = 0
        self._stats.reset()
        self._hint.reset()

    def role(self, number: int) -> BalloonQueue | None:
        """Return which queue a number means to this driver; None for one that it has not negotiated."""
        return self._numbers.get(number)

    def _handle(self, queue: Virtqueue) -> None:
        """Do all that waits in a queue; one that was not negotiated is left alone."""
        role = self.role(queue.index)
        if role is BalloonQueue.INFLATE:
            self._pages.inflate(queue)
        elif role is BalloonQueue.DEFLATE:
            self._pages.deflate(queue)
        elif role is BalloonQueue.STATS:
            self._stats.take(queue, legacy=not self._has(VIRTIO_F_VERSION_1))
        elif role is BalloonQueue.FREE_PAGE:
            self._hint.take(queue)
        elif role is BalloonQueue.REPORTING:
            self._reporting.take(queue, poisoned=self.poison_val != 0)

    # Saved state.

    def save(self) -> State:
        """Return target, claim and books, and what the driver said."""
        return {
            "config_generation": self.config_generation,
            "target_pages": self._target_pages,
            "actual_pages": self.actual_pages,
            "actual_written": bytes(self._actual),
            "poison_val": self.poison_val,
            "without_gaps": self._without_gaps,
            "ballooned": packed(self.ballooned),
            "stats": self._stats.save(),
            "hint": self._hint.save(),
            "counters": self.counters.save(),
            "anomalies": self.anomalies.save(),
        }

    def restore(self, state: object) -> None:
        """Take over what `save` returned; raises StateError and then has changed nothing."""
        saved = Fields(state, "balloon", tuple(self.save()))
        generation = saved.integer("config_generation", 0, _U32)
        target = saved.integer("target_pages", 0, _U32)
        actual = saved.integer("actual_pages", 0, _U32)
        written = saved.data("actual_written", 4, 4)
        poison = saved.integer("poison_val", 0, _U32)
        without_gaps = saved.boolean("without_gaps")
        ballooned = saved.flags("ballooned", len(self.ballooned))
        stats = self._stats.restored(saved.value("stats"))
        hint = self._hint.restored(saved.value("hint"))
        counters = BalloonCounters.read(saved.value("counters"), "balloon.counters")
        anomalies = BalloonAnomalies.read(saved.value("anomalies"), "balloon.anomalies")
        self.config_generation = generation
        self._target_pages = target
        self.actual_pages = actual
        self._actual[:] = written
        self.poison_val = poison
        self._without_gaps = without_gaps
        self.ballooned[:] = ballooned
        self._stats = stats
        self._hint = hint
        hint.go_on()
        self.counters.take(counters)
        self.anomalies.take(anomalies)
