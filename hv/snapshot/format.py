"""The format of snapshots, as `hv.snapshot` describes it: what writer and reader share."""

import struct
import zlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from devices.memory import Pages, runs
from devices.virtio.balloon import ALL_FEATURES
from devices.virtio.rng import SEED_MAX
from hv import board
from hv.config import Disk, MachineConfig
from hv.elf import ELF_MAGIC, ELFCLASS64, ELFDATA2LSB, EM_RISCV
from hv.hostimage.identity import MachineIdentity, Natural, OnePerSlot

VERSION = 4

ET_CORE = 4
PT_NOTE = 4
EF_RISCV_RVC = 1
PF_R, PF_W = 4, 2
NT_PRSTATUS = 1
NT_STATE = 1

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = np.dtype(
    [
        ("type", "<u4"),
        ("flags", "<u4"),
        ("offset", "<u8"),
        ("vaddr", "<u8"),
        ("paddr", "<u8"),
        ("filesz", "<u8"),
        ("memsz", "<u8"),
        ("align", "<u8"),
    ]
)
PHDRS_MAX = 0xFFFE
"""e_phnum has 16 bits, and 0xffff means something else."""

RUNS_MAX = PHDRS_MAX // 2
"""Runs at most: half of what an ELF can have, to leave room for what the guest has mapped."""

PRSTATUS = struct.Struct("<32xI76x32Q8x")  # struct elf_prstatus of Linux on riscv64: pid, pc, x1..x31
PID = 1
NOTE = struct.Struct("<3I")  # bytes of name, bytes of contents, type; then the name
CORE_NAME = b"CORE\0\0\0\0"
STATE_NAME = b"THAWVISOR\0\0\0"
STATE_PROLOGUE = struct.Struct("<4I")
CRC = np.dtype("<u4")

STATE_MAX = 1 << 26
"""Bytes of JSON that are written or read at most."""

File = Annotated[str, msgspec.Meta(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Slot = Annotated[int, msgspec.Meta(ge=0, lt=len(board.VIRTIO_SLOTS))]
Feature = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(sorted(ALL_FEATURES))})\\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=board.RAM_MAX // board.PAGE_SIZE)]


class DiskPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A disk, by its place; see `hv.machine.Disk`."""

    path: File
    slot: Slot | None


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the machine was built from; see `hv.machine.MachineConfig`."""

    bios: File
    kernel: File
    initrd: File | None
    append: str
    disks: Annotated[tuple[DiskPart, ...], OnePerSlot]
    balloon: Count | None
    balloon_slot: Slot
    balloon_features: Annotated[tuple[Feature, ...], msgspec.Meta(max_length=len(ALL_FEATURES))]
    balloon_stats_ns: Natural
    legacy_virtio: bool
    virtio_console: bool
    rng_seed: Annotated[int, msgspec.Meta(ge=0, le=SEED_MAX)] | None
    platform_sleep: bool

    @classmethod
    def of(cls, config: MachineConfig) -> "Parts":
        """Describe a machine; paths become absolute."""
        return cls(
            bios=str(config.bios.absolute()),
            kernel=str(config.kernel.absolute()),
            initrd=None if config.initrd is None else str(config.initrd.absolute()),
            append=config.append,
            disks=tuple(DiskPart(str(disk.path.absolute()), disk.slot) for disk in config.disks),
            balloon=config.balloon,
            balloon_slot=config.balloon_slot,
            balloon_features=tuple(sorted(config.balloon_features)),
            balloon_stats_ns=config.balloon_stats_ns,
            legacy_virtio=config.legacy_virtio,
            virtio_console=config.virtio_console,
            rng_seed=config.rng_seed,
            platform_sleep=config.platform_sleep,
        )

    def config(self, ram: int) -> MachineConfig:
        """Return the configuration again, with `ram` bytes of RAM."""
        return MachineConfig(
            ram=ram,
            bios=Path(self.bios),
            kernel=Path(self.kernel),
            initrd=None if self.initrd is None else Path(self.initrd),
            append=self.append,
            disks=tuple(Disk(Path(disk.path), disk.slot) for disk in self.disks),
            balloon=self.balloon,
            balloon_slot=self.balloon_slot,
            balloon_features=frozenset(self.balloon_features),
            balloon_stats_ns=self.balloon_stats_ns,
            legacy_virtio=self.legacy_virtio,
            virtio_console=self.virtio_console,
            rng_seed=self.rng_seed,
            platform_sleep=self.platform_sleep,
        )


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot says of itself; counts are pages of 4 KiB.

    Attributes:
        machine: what must be the same to restore.
        parts: where its images and disks lay.
        virtual_ns: its virtual time, in ns.
        pages_saved: pages in the file; the others were zero, or hinted.
        pages_ballooned: pages that the host had (balloon).
        pages_hinted: pages left out although something was in them: the guest has no use for it.
        state: `Machine.save`, with bytes as `{"hex": "..."}`.
    """

    machine: MachineIdentity
    parts: Parts
    virtual_ns: Natural
    pages_saved: Count
    pages_ballooned: Count
    pages_hinted: Count
    state: dict[str, Any]


def portable(value: Any) -> Any:
    """Return plain data with its bytes as `{"hex": "..."}`."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name: portable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    return value


def native(value: Any) -> Any:
    """Undo `portable`; raises ValueError for hex that is none."""
    if isinstance(value, dict):
        if value.keys() == {"hex"} and isinstance(value["hex"], str):
            return bytes.fromhex(value["hex"])
        return {name: native(item) for name, item in value.items()}
    if isinstance(value, list):
        return [native(item) for item in value]
    return value


def elf_header(phdrs: int) -> bytes:
    """Return the ELF header of a snapshot with so many program headers."""
    ident = ELF_MAGIC + bytes((ELFCLASS64, ELFDATA2LSB, 1)) + bytes(9)
    sizes = (EHDR.size, PHDR.itemsize, phdrs, 0, 0, 0)
    return EHDR.pack(ident, ET_CORE, EM_RISCV, 1, 0, EHDR.size, 0, EF_RISCV_RVC, *sizes)


def state_offset(phdrs: int) -> int:
    """Return where the contents of the note with the state begin in the file."""
    core = NOTE.size + len(CORE_NAME) + PRSTATUS.size
    return EHDR.size + phdrs * PHDR.itemsize + core + NOTE.size + len(STATE_NAME)


def crc_offset(phdrs: int) -> int:
    """Return where the checksum of what precedes the contents is."""
    return state_offset(phdrs) + 4


def front_crc(front: bytes, phdrs: int) -> int:
    """Return the checksum of what precedes the contents."""
    at = crc_offset(phdrs)
    return zlib.crc32(front[at + 4 :], zlib.crc32(bytes(4), zlib.crc32(front[:at])))


def page_up(number: int) -> int:
    """Return the next multiple of a page's size."""
    return -(-number // board.PAGE_SIZE) * board.PAGE_SIZE


def join(pages: Pages, limit: int) -> list[tuple[int, int]]:
    """Return at most `limit` runs (first, end) that cover the pages, joining what lies closest."""
    spans = np.array(list(runs(pages)), np.int64).reshape(-1, 2)
    if len(spans) > limit:
        gaps = spans[1:, 0] - spans[:-1, 1]
        kept = np.sort(np.argsort(-gaps, kind="stable")[: limit - 1])
        firsts = np.concatenate((spans[:1, 0], spans[kept + 1, 0]))
        ends = np.concatenate((spans[kept, 1], spans[-1:, 1]))
        spans = np.stack((firsts, ends), axis=1)
    return [(first, end) for first, end in spans.tolist()]
