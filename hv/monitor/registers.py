"""Which register a driver may access how (spec: "MMIO Device Register Layout")."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from devices.virtio.constants import (
    VIRTIO_ID_BALLOON,
    VIRTIO_ID_BLOCK,
    VIRTIO_MMIO_CONFIG,
    VIRTIO_MMIO_CONFIG_GENERATION,
    VIRTIO_MMIO_DEVICE_FEATURES,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL,
    VIRTIO_MMIO_DEVICE_ID,
    VIRTIO_MMIO_DRIVER_FEATURES,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_GUEST_PAGE_SIZE,
    VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_INTERRUPT_STATUS,
    VIRTIO_MMIO_MAGIC_VALUE,
    VIRTIO_MMIO_QUEUE_ALIGN,
    VIRTIO_MMIO_QUEUE_NOTIFY,
    VIRTIO_MMIO_QUEUE_NUM,
    VIRTIO_MMIO_QUEUE_NUM_MAX,
    VIRTIO_MMIO_QUEUE_PFN,
    VIRTIO_MMIO_QUEUE_READY,
    VIRTIO_MMIO_QUEUE_RESET,
    VIRTIO_MMIO_QUEUE_SEL,
    VIRTIO_MMIO_SHM_LEN_LOW,
    VIRTIO_MMIO_STATUS,
    VIRTIO_MMIO_VENDOR_ID,
    VIRTIO_MMIO_VERSION,
)
from hv.monitor.area import Area
from hv.monitor.conduct import ADDRESS_HALVES

_SHM_SEL = 0x0AC
_SHM = frozenset({_SHM_SEL, *range(VIRTIO_MMIO_SHM_LEN_LOW, VIRTIO_MMIO_SHM_LEN_LOW + 16, 4)})

_BOTH_READ = frozenset({
    VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION, VIRTIO_MMIO_DEVICE_ID, VIRTIO_MMIO_VENDOR_ID,
    VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_STATUS,
})  # fmt: skip
_BOTH_WRITTEN = frozenset({
    VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_DRIVER_FEATURES_SEL,
    VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK,
    VIRTIO_MMIO_STATUS,
})  # fmt: skip
_READABLE = {
    False: _BOTH_READ | (_SHM - {_SHM_SEL})
    | {VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_RESET, VIRTIO_MMIO_CONFIG_GENERATION},
    True: _BOTH_READ | {VIRTIO_MMIO_QUEUE_PFN},
}  # fmt: skip
_WRITABLE = {
    False: _BOTH_WRITTEN | {VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_RESET, _SHM_SEL, *ADDRESS_HALVES},
    True: _BOTH_WRITTEN | {VIRTIO_MMIO_GUEST_PAGE_SIZE, VIRTIO_MMIO_QUEUE_ALIGN, VIRTIO_MMIO_QUEUE_PFN},
}
"""Offsets of control registers, by whether the interface is the legacy one."""


def _widths(fields: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return the width of an access to each offset where one may begin; a field of 8 bytes has two."""
    return {offset + half: min(width, 4) for offset, width in fields for half in range(0, width, 4)}


_CONFIG = {
    VIRTIO_ID_BLOCK: _widths([
        (0, 8), (8, 4), (12, 4), (16, 2), (18, 1), (19, 1), (20, 4), (24, 1), (25, 1), (26, 2), (28, 4),
        (32, 1), (34, 2), (36, 4), (40, 4), (44, 4), (48, 4), (52, 4), (56, 1), (60, 4), (64, 4), (68, 4),
        (72, 4), (76, 4), (80, 4), (84, 4), (88, 4), (92, 1),
    ]),
    VIRTIO_ID_BALLOON: _widths([(0, 4), (4, 4), (8, 4), (12, 4)]),
}  # fmt: skip
"""Where accesses to the configuration space may begin, and how wide they must be, by VIRTIO_ID_*."""

_WIDTH_CLAUSES = {1: "C192", 2: "C193", 4: "C194"}


class Registers(Area):
    """The accesses themselves, whatever they mean."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C188": "no access goes to an offset that neither the register table nor the configuration has",
        "C189": "no read-only register is written",
        "C190": "no write-only register is read",
        "C191": "control registers are accessed with aligned 32 bits",
        "C192": "configuration fields of 8 bits are accessed with 8 bits",
        "C193": "configuration fields of 16 bits are accessed with aligned 16 bits",
        "C194": "configuration fields of 32 and 64 bits are accessed with aligned 32 bits",
        "C217": "no shared memory register is accessed; no device here has shared memory",
    }

    def read(self, offset: int, size: int, value: int) -> None:
        """Judge a load."""
        self._judge(offset, size, writes=False)

    def wrote(self, offset: int, size: int, value: int) -> None:
        """Judge a store."""
        self._judge(offset, size, writes=True)

    def _judge(self, offset: int, size: int, *, writes: bool) -> None:
        if offset >= VIRTIO_MMIO_CONFIG:
            self._judge_config(offset - VIRTIO_MMIO_CONFIG, size)
            return
        verb = "wrote" if writes else "read"
        legacy = self.conduct.legacy
        readable, writable = _READABLE[legacy], _WRITABLE[legacy]
        register = offset & ~3
        aligned = size == 4 and offset == register
        self.judge("C191", aligned, f"{verb} {size} bytes at {offset:#x}")
        known = register in readable | writable
        self.judge("C188", known, f"{verb} {offset:#x}, where there is no register")
        if not known:
            return
        self.judge("C217", register not in _SHM, f"{verb} shared memory register {register:#x}")
        if writes:
            self.judge("C189", register in writable, f"wrote register {register:#x}, which is read-only")
        else:
            self.judge("C190", register in readable, f"read register {register:#x}, which is write-only")

    def _judge_config(self, offset: int, size: int) -> None:
        fields = _CONFIG.get(self.conduct.device_id)
        if fields is None:
            return
        begins = max((at for at in fields if at <= offset), default=0)
        width = fields[begins]
        inside = offset < begins + width
        self.judge("C188", inside, f"accessed configuration {offset:#x}, where there is no field")
        if inside and not self.conduct.legacy:
            clause = _WIDTH_CLAUSES[width]
            exact = offset == begins and size == width
            self.judge(clause, exact, f"accessed {size} bytes of configuration at {offset:#x}")
