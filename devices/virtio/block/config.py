"""struct virtio_blk_config: what a disk says of itself.

The limits are QEMU's. An image remembers those that its kernel was told, so a guest that resumes elsewhere
goes on asking for as much as it may here, and the other way round.

Spec: virtio 1.4, "Block Device", "Device configuration layout".
"""

import struct

from devices.virtio.backends import SECTOR_SIZE

QUEUE_SIZE = 256
"""Entries of the request queue."""

SEG_MAX = QUEUE_SIZE - 2
"""Pieces of data in a request; a chain's other two descriptors are header and status."""

MAX_SECTORS = (2**31 - 1) // SECTOR_SIZE
"""Most sectors that one discard or write zeroes may name: what QEMU can count the bytes of."""

MAX_RANGES = 1
"""struct virtio_blk_discard_write_zeroes in one request."""

WRITEBACK = 32
"""Offset of the field `writeback`, the only one that a driver may write."""

_LAYOUT = struct.Struct("<QIIHBBIBBHIBxHIIIIIB3x")

_HEADS, _SECTORS = 16, 63
_CYLINDERS = 16383
"""The geometry that a disk is given which has none, as ATA has it: so many a cylinder, at most so many."""

_PHYSICAL_EXP = 3
"""A physical block is 2^3 sectors: the file behind the disk is kept in pages of 4 KiB."""


def describe(size: int, writeback: bool) -> bytes:
    """Return the configuration space of a disk of `size` bytes."""
    capacity = size // SECTOR_SIZE
    cylinders = min(max(capacity // (_HEADS * _SECTORS), 1), _CYLINDERS)
    return _LAYOUT.pack(
        capacity,
        0,  # size_max: a piece of data may have any length
        SEG_MAX,
        cylinders,
        _HEADS,
        _SECTORS,
        SECTOR_SIZE,  # blk_size
        _PHYSICAL_EXP,
        0,  # alignment_offset
        1 << _PHYSICAL_EXP,  # min_io_size
        0,  # opt_io_size: no size is better than another
        writeback,
        0,  # num_queues: MQ is not offered
        MAX_SECTORS,  # max_discard_sectors
        MAX_RANGES,  # max_discard_seg
        1 << _PHYSICAL_EXP,  # discard_sector_alignment
        MAX_SECTORS,  # max_write_zeroes_sectors
        MAX_RANGES,  # max_write_zeroes_seg
        1,  # write_zeroes_may_unmap: a file may get a hole
    )
