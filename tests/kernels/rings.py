"""Rings to feed the kernels with, from a seed: most start sound, and then get something wrong with them.

One seed is one ring on every machine, so a failure is replayed by its number.
"""

import random
import struct

from devices.virtio import kernels
from tests.kernels.oracle import INDIRECT, NEXT, WRITE, Layout

RAM_BYTES = 16 << 10
BASE = 0x8000_0000

_TABLES = 0x1000  # where indirect tables start; the ring is below
_DATA = 0x2000  # where buffers start

_WILD_ADDRESSES = (
    0,
    BASE - 1,
    BASE + RAM_BYTES - 1,
    BASE + RAM_BYTES,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + BASE,
    (1 << 64) - 1,
    (1 << 64) - BASE,
)
_WILD_LENGTHS = (0, 1, RAM_BYTES, RAM_BYTES + 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF)
_PFNS = range((BASE >> 12) - 1, (BASE + RAM_BYTES >> 12) + 1)
_LENGTHS = (0, 1, 3, 4, 5, 7, 8, 16, 64, 256, 1024)


def make(seed: int, position: int | None = None, align: int = 0) -> tuple[bytearray, Layout]:
    """Return RAM with a ring in it, and where the ring is; its indices start at `position`, or anywhere.

    With an alignment, the ring has the legacy layout, from RAM's start on.
    """
    rng = random.Random(seed)
    ram = bytearray(RAM_BYTES)
    pfns = rng.choices(_PFNS, k=(RAM_BYTES - _DATA) // 4)  # read as PFNs, most of the data are pages of RAM
    struct.pack_into(f"<{len(pfns)}I", ram, _DATA, *pfns)
    ring = _layout(rng, position)
    if align:
        ring.desc, ring.avail = 0, 16 * ring.size
        ring.used = -(-(ring.avail + 6 + 2 * ring.size) // align) * align
    if rng.random() < 0.1:
        ram[:] = rng.randbytes(RAM_BYTES)
    if all(0 <= place < _DATA for place in (ring.desc, ring.avail, ring.used)):
        _fill(rng, ram, ring)
        if rng.random() < 0.6:
            for _ in range(rng.randint(1, 4)):
                _spoil(rng, ram, ring)
    return ram, ring


def _layout(rng: random.Random, position: int | None) -> Layout:
    size = 1 << rng.randint(0, 5)
    places = [0x000, 0x400, 0x800]
    if rng.random() < 0.1:  # parts over one another
        places = [rng.randrange(0, _TABLES) & ~0xF for _ in places]
    if rng.random() < 0.03:  # a part that is not RAM
        places[rng.randrange(3)] = rng.choice((-16, RAM_BYTES - 16, RAM_BYTES, 1 << 40))
    if position is None:
        position = rng.choice((0, 0xFFFF, rng.randrange(65536)))
    return Layout(
        base=BASE,
        size=size,
        desc=places[0],
        avail=places[1],
        used=places[2],
        indirect=rng.random() < 0.85,
        event_idx=rng.random() < 0.5,
        in_order=rng.random() < 0.5,
        notify_on_empty=rng.random() < 0.2,
        next_avail=position,
        next_used=position,
        signalled=(position - rng.choice((0, 0, 1, 5))) % 65536,
    )


def _buffer(rng: random.Random) -> tuple[int, int]:
    length = rng.choice(_LENGTHS)
    return BASE + rng.randint(_DATA, RAM_BYTES - length), length


def _fill(rng: random.Random, ram: bytearray, ring: Layout) -> None:
    """Write sound chains over the whole descriptor table, and make some of them available."""
    order = rng.sample(range(ring.size), ring.size)
    table = _TABLES
    heads = []
    while order:
        chain = [order.pop() for _ in range(min(len(order), rng.choice((1, 1, 2, 3, 5))))]
        heads.append(chain[0])
        entries = 0
        if ring.indirect and rng.random() < 0.3:
            entries = rng.randint(1, max(1, min(8, ring.size - len(chain) + 1)))
        readable = rng.randint(0, len(chain) + entries)
        for i, index in enumerate(chain):
            last = i == len(chain) - 1
            flags = 0 if i < readable else WRITE
            addr, length = _buffer(rng)
            if last and entries:
                flags = INDIRECT | rng.choice((0, WRITE))
                addr, length = BASE + table, 16 * entries
                for entry in range(entries):
                    more = NEXT if entry < entries - 1 else 0
                    direction = 0 if i + entry < readable else WRITE
                    struct.pack_into(
                        "<QIHH", ram, table + 16 * entry, *_buffer(rng), direction | more, entry + 1
                    )
                table += 16 * entries + rng.choice((0, 1, 8))
            following = 0 if last else chain[i + 1]
            struct.pack_into(
                "<QIHH", ram, ring.desc + 16 * index, addr, length, flags | (0 if last else NEXT), following
            )
    waiting = rng.randint(0, len(heads))
    for i in range(waiting):
        slot = (ring.next_avail + i) % ring.size
        struct.pack_into("<H", ram, ring.avail + 4 + 2 * slot, heads[i])
    struct.pack_into("<HH", ram, ring.avail, rng.randrange(4), (ring.next_avail + waiting) % 65536)
    event = (ring.next_used + rng.randint(-3, 3)) % 65536
    struct.pack_into("<H", ram, ring.avail + 4 + 2 * ring.size, event)


def _spoil(rng: random.Random, ram: bytearray, ring: Layout) -> None:
    """Make one field of the ring or of an indirect table wrong, or at least strange."""
    entry = ring.desc + 16 * rng.randrange(ring.size)
    if rng.random() < 0.3:
        entry = _TABLES + 16 * rng.randrange(16)
    slot = ring.avail + 4 + 2 * rng.randrange(ring.size)
    addr = rng.choice((*_WILD_ADDRESSES, BASE + rng.randrange(RAM_BYTES)))
    length = rng.choice((*_WILD_LENGTHS, rng.randrange(RAM_BYTES)))
    what = rng.randrange(8)
    if what == 0:
        struct.pack_into("<Q", ram, entry, addr)
    elif what == 1:
        struct.pack_into("<I", ram, entry + 8, length)
    elif what == 2:
        struct.pack_into("<QI", ram, entry, addr, length)
    elif what == 3:
        struct.pack_into("<H", ram, entry + 12, rng.choice((rng.randrange(8), rng.randrange(65536))))
    elif what == 4:
        struct.pack_into("<HH", ram, entry + 12, NEXT | rng.choice((0, WRITE)), rng.randrange(ring.size))
    elif what == 5:
        struct.pack_into("<H", ram, entry + 14, rng.choice((ring.size, rng.randrange(65536))))
    elif what == 6:
        struct.pack_into("<H", ram, slot, rng.choice((ring.size, 0xFFFF, rng.randrange(ring.size))))
    else:
        idx = ring.next_avail + rng.choice((-1, ring.size, ring.size + 1, rng.randrange(65536)))
        struct.pack_into("<H", ram, ring.avail + 2, idx % 65536)


def vector(ring: Layout) -> list[int]:
    """Return the words of the kernels' ring vector."""
    words = [0] * kernels.RING_WORDS
    words[kernels.RAM_BASE] = ring.base
    words[kernels.SIZE] = ring.size
    words[kernels.DESC] = ring.desc
    words[kernels.AVAIL] = ring.avail
    words[kernels.USED] = ring.used
    words[kernels.INDIRECT] = int(ring.indirect)
    words[kernels.EVENT_IDX] = int(ring.event_idx)
    words[kernels.IN_ORDER] = int(ring.in_order)
    words[kernels.NOTIFY_ON_EMPTY] = int(ring.notify_on_empty)
    words[kernels.NEXT_AVAIL] = ring.next_avail
    words[kernels.NEXT_USED] = ring.next_used
    words[kernels.SIGNALLED] = ring.signalled
    return words
