"""What the balloon's areas have in common: which queue is which, and what the driver has read and written."""

from devices.memory import Pages
from devices.virtio.balloon.features import BalloonQueue, counts_without_gaps, numbering
from devices.virtio.constants import VIRTIO_ID_BALLOON, VIRTIO_MMIO_CONFIG
from hv.cpu.watch import AccessKind
from hv.monitor.area import Area
from hv.monitor.ring import Chain, Ring

NUM_PAGES = VIRTIO_MMIO_CONFIG
ACTUAL = VIRTIO_MMIO_CONFIG + 4
CMD_ID = VIRTIO_MMIO_CONFIG + 8
POISON_VAL = VIRTIO_MMIO_CONFIG + 12


class BalloonArea(Area):
    """Rules for balloon drivers; those of other devices are not judged."""

    def appeared(self, ring: Ring, chain: Chain) -> None:
        """Pass a chain on with the role of its queue."""
        role = self._role(ring)
        if role is not None:
            self.requested(role, ring, chain)

    def returned(self, ring: Ring, chain: Chain) -> None:
        """Pass an acknowledgement on with the role of its queue."""
        role = self._role(ring)
        if role is not None:
            self.acknowledged(role, ring, chain)

    def adopt(self, ballooned: Pages) -> None:
        """Take over a balloon that pages are in."""

    def used(self, page: int, kind: AccessKind) -> None:
        """The guest accesses a page that is in the balloon, was in it, was hinted or reported.

        Nothing is told of a page any more once its contents are the guest's own again.
        """

    def requested(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """The driver has made a request."""

    def acknowledged(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """The device has given it back."""

    @property
    def is_balloon(self) -> bool:
        """Whether the device in the slot is a balloon."""
        return self.conduct.device_id == VIRTIO_ID_BALLOON

    def _role(self, ring: Ring) -> BalloonQueue | None:
        if not self.is_balloon:
            return None
        features = sum(word << 32 * number for number, word in self.conduct.accepted.items())
        enabled = {index for index, queue in self.conduct.queues.items() if queue.ring is not None}
        return numbering(features, counts_without_gaps(features, enabled.__contains__)).get(ring.index)
