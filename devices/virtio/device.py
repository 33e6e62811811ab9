"""What every virtio device is, whatever carries it.

A device never sees its transport. It is given the machine's memory once (`attach`). When the driver has set
DRIVER_OK it gets a `Carrier` (`activate`), then one call of a handler for each queue that was notified, and
in `reset` it loses the driver. What it keeps over a reset is what the host told it, and the host's books.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from devices.memory import GuestMemory
from devices.state import State
from devices.virtio.queue import QueueWatcher, Virtqueue


class Carrier(Protocol):
    """How a device that has a driver gets something done of its own accord."""

    def config_changed(self) -> None:
        """Send a configuration change notification; when suspended, once the driver resumes the device."""

    def attend(self, index: int) -> None:
        """Have the handler of a queue called soon, as if the driver had notified the queue.

        A handler is the only place to touch a queue: the device may be suspended, or the queue gone.
        """

    def ready(self, index: int) -> bool:
        """Whether the driver has given the device a queue of this number."""


class VirtioDevice(ABC):
    """A device: identity, features, queues, configuration space.

    Attributes:
        device_id: VIRTIO_ID_* (spec: "Device Types").
        features: the device's own feature bits that it offers, as a mask; the transport adds the ring's. Not
            to be changed once a driver may have looked.
        queue_sizes: the most entries that each queue may have; 0 where there is no queue of that number.
        handlers: for each queue, what does all that is waiting in it. A handler raises BrokenRingError
            when the ring cannot be used; the transport then stops the device.
        config_generation: changes whenever the device changes its configuration space.
        watchers: who looks on when its queues are worked on (a sanitizer, a ledger).
    """

    device_id: int
    features: int
    queue_sizes: tuple[int, ...]
    handlers: tuple[Callable[[Virtqueue], None], ...]

    def __init__(self) -> None:
        self.config_generation = 0
        self.watchers: list[QueueWatcher] = []
        self._carrier: Carrier | None = None
        self._negotiated = 0

    @abstractmethod
    def attach(self, memory: GuestMemory) -> None:
        """Learn which RAM the driver lives in; called once, before anything else."""

    @abstractmethod
    def config(self) -> bytes:
        """Return the configuration space as the driver sees it now."""

    @abstractmethod
    def write_config(self, offset: int, data: bytes) -> None:
        """Take a driver's write; what cannot be written is ignored."""

    def agree(self, features: int) -> None:  # noqa: B027 - for most devices no feature matters so early
        """Know the features that the driver can no longer change; called before `activate`.

        That is with FEATURES_OK; on the legacy interface with DRIVER_OK.
        """

    def activate(self, carrier: Carrier, features: int) -> None:
        """Start working with the negotiated feature bits.

        On the legacy interface a driver may use its device first: then this is called once or more before
        DRIVER_OK, with the features so far, and again with the final ones.
        """
        self.go_on(carrier, features)

    def go_on(self, carrier: Carrier, features: int) -> None:
        """Work for the driver that the device had when its state was saved."""
        self._carrier = carrier
        self._negotiated = features

    def reset(self) -> None:
        """Forget the driver; called in any state, also twice."""
        self.deactivate()

    def deactivate(self) -> None:
        """Stop working: there is no driver that could hear of it."""
        self._carrier = None
        self._negotiated = 0

    @abstractmethod
    def save(self) -> State:
        """Return what the device knows, as plain data (see devices.state)."""

    @abstractmethod
    def restore(self, state: object) -> None:
        """Take over saved data; raises StateError and then has changed nothing."""

    def _has(self, feature: int) -> bool:
        """Whether the feature bit was negotiated."""
        return bool(self._negotiated >> feature & 1)

    def _config_changed(self) -> None:
        """Make a change of the configuration space visible: generation, and a notification if active."""
        self.config_generation = (self.config_generation + 1) & 0xFFFF_FFFF
        if self._carrier is not None:
            self._carrier.config_changed()
