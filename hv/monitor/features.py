"""What a driver accepts of what it is offered (spec: "Feature Bits", "Reserved Feature Bits")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_BALLOON_F_MUST_TELL_HOST,
    VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_FEATURES_OK,
    VIRTIO_F_ANY_LAYOUT,
    VIRTIO_F_VERSION_1,
    VIRTIO_ID_BALLOON,
    VIRTIO_ID_BLOCK,
    VIRTIO_MMIO_STATUS,
)
from hv.monitor.area import Area

_UNUSED = 30
_ACCESS_PLATFORM = 33
_RING_PACKED = 34
_ORDER_PLATFORM = 36
_SR_IOV = 37
_NOTIF_CONFIG_DATA = 39
_ADMIN_VQ = 41

_RESERVED = frozenset(range(44, 50))
_UNDESCRIBED = frozenset({25, 26, 31})
_OTHER_TRANSPORTS = frozenset({_SR_IOV, _ADMIN_VQ})
_OF_DEVICES = frozenset({*range(24), 42, *range(50, 128)})

_ID_NET, _ID_CONSOLE, _ID_RNG = 1, 3, 4
_DEFINED = {
    VIRTIO_ID_BLOCK: frozenset({0, 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17}),
    _ID_CONSOLE: frozenset({0, 1, 2}),
    _ID_RNG: frozenset[int](),
    VIRTIO_ID_BALLOON: frozenset(range(6)),
}
"""Feature bits that a device type has, by VIRTIO_ID_*; other types are not judged."""

_NEEDS = {
    _ID_NET: {
        7: {1}, 8: {1}, 9: {7, 8}, 10: {1}, 11: {0}, 12: {0}, 13: {11, 12}, 14: {0}, 18: {17}, 19: {17},
        21: {17}, 22: {17}, 23: {17}, 52: {17}, 53: {17}, 54: {1}, 55: {1}, 56: {0}, 60: {17}, 61: {11, 12},
    },
}  # fmt: skip
"""Feature bits that need another one of some, by VIRTIO_ID_*."""

_SHOULD_ACCEPT = {
    "C092": (_ACCESS_PLATFORM, "VIRTIO_F_ACCESS_PLATFORM"),
    "C095": (_RING_PACKED, "VIRTIO_F_RING_PACKED"),
    "C096": (_ORDER_PLATFORM, "VIRTIO_F_ORDER_PLATFORM"),
    "C098": (_NOTIF_CONFIG_DATA, "VIRTIO_F_NOTIF_CONFIG_DATA"),
}


class Features(Area):
    """The features that are accepted, judged when FEATURES_OK is set (legacy: DRIVER_OK)."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C009": "no feature is accepted that was not read in DeviceFeatures",
        "C010": "no feature is accepted without one of those that it needs",
        "C011": "both words of DeviceFeatures were read before features are settled",
        "C012": "no feature is accepted that the specification does not describe (25, 26, 31)",
        "C013": "no feature is accepted that is reserved for later (44 to 49)",
        "C014": "no feature is accepted that virtio over MMIO does not have (SR_IOV, ADMIN_VQ)",
        "C015": "no feature is accepted that the device type does not have",
        "C056": "DeviceFeatures are read and DriverFeatures written before features are settled",
        "C090": "VIRTIO_F_VERSION_1 is accepted if offered",
        "C091": "the driver gives up a device without VIRTIO_F_VERSION_1",
        "C092": "VIRTIO_F_ACCESS_PLATFORM is accepted if offered",
        "C095": "VIRTIO_F_RING_PACKED is accepted if offered",
        "C096": "VIRTIO_F_ORDER_PLATFORM is accepted if offered",
        "C098": "VIRTIO_F_NOTIF_CONFIG_DATA is accepted if offered",
        "C099": "VIRTIO_F_SR_IOV is not accepted of a device that is not on PCI",
        "C111": "VIRTIO_F_ANY_LAYOUT is accepted if offered, on the legacy interface",
        "C112": "bit 30 is not accepted, on the legacy interface",
        "C222": "VIRTIO_BALLOON_F_MUST_TELL_HOST is accepted if offered",
    }

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge the features when they are settled."""
        conduct = self.conduct
        settles = VIRTIO_CONFIG_S_DRIVER_OK if conduct.legacy else VIRTIO_CONFIG_S_FEATURES_OK
        if offset != VIRTIO_MMIO_STATUS:
            return
        old = conduct.offered and not conduct.offers(VIRTIO_F_VERSION_1) and not conduct.legacy
        if old and value & VIRTIO_CONFIG_S_FAILED:
            self.exercised("C091")
        if not value & ~conduct.status & settles or conduct.suspending:
            return
        words = {0} if conduct.legacy else {0, 1}
        unread = words - conduct.offered.keys()
        self.judge("C011", not unread, f"never read word {min(unread, default=0)} of DeviceFeatures")
        answered = bool(conduct.offered) and bool(conduct.accepted)
        self.judge("C056", answered, "settled features that it had not read and answered")
        self._judge_each()
        self._judge_wanted()

    def _judge_each(self) -> None:
        """Judge every bit that is accepted."""
        conduct = self.conduct
        accepted = {bit for bit in range(128) if conduct.accepts(bit)}
        strange = {bit for bit in accepted if not conduct.offers(bit)}
        self._none_of("C009", strange, "accepted feature {} that was not offered")
        self._none_of("C012", accepted & _UNDESCRIBED, "accepted feature {} that has no meaning")
        self._none_of("C013", accepted & _RESERVED, "accepted feature {} that is reserved")
        self._none_of("C014", accepted & _OTHER_TRANSPORTS, "accepted feature {} of other transports")
        defined = _DEFINED.get(conduct.device_id, _OF_DEVICES)
        others = accepted & _OF_DEVICES - defined
        self._none_of("C015", others, f"accepted feature {{}} that device {conduct.device_id} has not")
        needs = _NEEDS.get(conduct.device_id, {})
        lacking = {bit for bit in accepted & needs.keys() if not needs[bit] & accepted}
        if accepted & needs.keys():
            self._none_of("C010", lacking, "accepted feature {} without one that it needs")
        if conduct.offers(_SR_IOV):
            self.judge("C099", _SR_IOV not in accepted, "accepted VIRTIO_F_SR_IOV")

    def _judge_wanted(self) -> None:
        """Judge what a driver has to accept."""
        conduct = self.conduct
        if conduct.legacy:
            if conduct.offers(VIRTIO_F_ANY_LAYOUT):
                taken = conduct.accepts(VIRTIO_F_ANY_LAYOUT)
                self.judge("C111", taken, "declined VIRTIO_F_ANY_LAYOUT")
            if conduct.offers(_UNUSED):
                self.judge("C112", not conduct.accepts(_UNUSED), "accepted the unused feature 30")
        if conduct.offers(VIRTIO_F_VERSION_1):
            self.judge("C090", conduct.accepts(VIRTIO_F_VERSION_1), "declined VIRTIO_F_VERSION_1")
        for clause, (bit, name) in _SHOULD_ACCEPT.items():
            if conduct.offers(bit):
                self.judge(clause, conduct.accepts(bit), f"declined {name}")
        if conduct.device_id == VIRTIO_ID_BALLOON and conduct.offers(VIRTIO_BALLOON_F_MUST_TELL_HOST):
            taken = conduct.accepts(VIRTIO_BALLOON_F_MUST_TELL_HOST)
            self.judge("C222", taken, "declined VIRTIO_BALLOON_F_MUST_TELL_HOST")

    def _none_of(self, clause: str, bits: set[int], detail: str) -> None:
        self.judge(clause, not bits, detail.format(min(bits, default=0)))
