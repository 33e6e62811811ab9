"""The memory balloon and its facilities; one file each, and `device` puts them together."""

from devices.virtio.balloon.counters import BalloonAnomalies, BalloonCounters
from devices.virtio.balloon.device import Balloon
from devices.virtio.balloon.features import ALL_FEATURES, DEFAULT_FEATURES, BalloonQueue
from devices.virtio.balloon.hint import HintState

__all__ = [
    "ALL_FEATURES",
    "DEFAULT_FEATURES",
    "Balloon",
    "BalloonAnomalies",
    "BalloonCounters",
    "BalloonQueue",
    "HintState",
]
