"""The split ring, jitted: everything that looks at a driver's ring or at the buffers of a balloon.

Each kernel takes guest RAM as a flat byte array, one ring vector (int64, its words named below) and work
arrays, and answers with a number: a count, or one of the negative codes. Two things go through the work
arrays:

- a *chain* is one row of `chains`: what the driver made available, and what the device has to say of it;
- a *segment* is one row of `segments`: a piece of RAM that a chain names, as (offset into RAM, bytes). A
  chain's readable segments come first, then its writable ones. Pieces of no bytes are left out.

The driver is not trusted. Jitted code does not check an index, so each offset is compared with RAM here,
before its first use, in a form that cannot overflow; and each loop has a bound that the driver cannot
move.

Numbers are int64 throughout and wrap where a mask says so. The same code without jit
(NUMBA_DISABLE_JIT=1) computes the same: it is then plain Python on numpy scalars, where int64 overflow
would be a warning.

Everything stays in this one file because numba's cache watches a caller's file only, not those of its
callees. Spec: virtio 1.4, "Split Virtqueues"; the code is little-endian whatever the host.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from devices.virtio.constants import (
    VRING_AVAIL_F_NO_INTERRUPT,
    VRING_DESC_F_INDIRECT,
    VRING_DESC_F_NEXT,
    VRING_DESC_F_WRITE,
)

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Words of the ring vector. Places are offsets into RAM; positions are the ring's free-running 16-bit
# indices.
RAM_BASE = 0  # guest physical address of RAM's first byte
SIZE = 1  # entries, a power of two
DESC = 2  # place of the descriptor table
AVAIL = 3  # place of the available ring
USED = 4  # place of the used ring
INDIRECT = 5  # 1 if VIRTIO_RING_F_INDIRECT_DESC was negotiated
EVENT_IDX = 6  # 1 if VIRTIO_RING_F_EVENT_IDX was negotiated
IN_ORDER = 7  # 1 if VIRTIO_F_IN_ORDER was negotiated
NOTIFY_ON_EMPTY = 8  # 1 if VIRTIO_F_NOTIFY_ON_EMPTY was negotiated
NEXT_AVAIL = 9  # position of the next chain to take
NEXT_USED = 10  # position of the next used element
SIGNALLED = 11  # NEXT_USED when the device last decided whether to interrupt
WAITING = 12  # chains that the last fetch saw but did not take
CULPRIT = 13  # head of the chain that the last negative code is about
RING_WORDS = 14

# Columns of `chains`.
HEAD = 0  # index of the chain's first descriptor, its id in the used ring
FIRST = 1  # row of its first segment
READABLE = 2  # number of segments that the device reads
WRITABLE = 3  # number of segments, after those, that the device writes
WRITTEN = 4  # bytes that the device wrote: the used element's len
CHAIN_COLUMNS = 5

# Columns of `segments`.
OFFSET = 0
LENGTH = 1
SEGMENT_COLUMNS = 2

# What can be wrong with a ring.
RING_OUTSIDE_RAM = -1
AVAIL_IDX_RUNS_AWAY = -2
INDEX_OUTSIDE_TABLE = -3
CHAIN_TOO_LONG = -4
CHAIN_TOO_MANY_BYTES = -5
BUFFER_OUTSIDE_RAM = -6
READABLE_AFTER_WRITABLE = -7
INDIRECT_NOT_NEGOTIATED = -8
INDIRECT_NESTED = -9
INDIRECT_WITH_NEXT = -10
INDIRECT_LENGTH = -11
INDIRECT_OUTSIDE_RAM = -12

# Words of a balloon's tally: each call adds to them.
PFNS = 0  # PFNs that were looked at
OUTSIDE = 1  # of those, not pages of RAM
REPEATED = 2  # of those, pages that already were where the driver sends them
CHANGED = 3  # of those, pages that went into or out of the balloon
IGNORED = 4  # PFNs beyond MAX_PFNS in one buffer, not looked at
ODD = 5  # buffers whose length is no multiple of four
EMPTY = 6  # buffers without one PFN
RANGES = 7  # set, not added to: rows of `ranges` that the call filled
TALLY_WORDS = 8

MAX_PFNS = 16384
"""PFNs of one buffer that are looked at: 64 times what Linux sends, and a bound on a hostile one."""

_DESC_BYTES = 16
_RING_HEADER = 4  # flags and idx, in front of the entries of the available and the used ring
_USED_BYTES = 8
_MAX_CHAIN_BYTES = 1 << 32


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _kernel(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Jit a function; numba itself carries no types."""
    return cast("Callable[_Arguments, _Result]", njit(cache=True, nogil=True)(function))


# A signed index may mean "from the end", and numba asks each time. Unsigned ones are what lets LLVM see
# that the bytes below are neighbours, and make one load of them.
_1 = np.uint64(1)
_2 = np.uint64(2)
_3 = np.uint64(3)


@_kernel
def _load16(ram: Bytes, at: int) -> int:
    i = np.uint64(at)
    return int(np.int64(ram[i]) | np.int64(ram[i + _1]) << 8)


@_kernel
def _load32(ram: Bytes, at: int) -> int:
    i = np.uint64(at)
    return int(
        np.int64(ram[i])
        | np.int64(ram[i + _1]) << 8
        | np.int64(ram[i + _2]) << 16
        | np.int64(ram[i + _3]) << 24
    )


@_kernel
def _load64(ram: Bytes, at: int) -> int:
    return int(np.int64(_load32(ram, at)) | np.int64(_load32(ram, at + 4)) << 32)


@_kernel
def _store16(ram: Bytes, at: int, value: int) -> None:
    ram[at] = value & 0xFF
    ram[at + 1] = value >> 8 & 0xFF


@_kernel
def _store32(ram: Bytes, at: int, value: int) -> None:
    _store16(ram, at, value)
    _store16(ram, at + 2, value >> 16)


@_kernel
def _inside(place: int, length: int, limit: int) -> bool:
    """Whether `length` bytes at `place` lie below `limit`; no operand may be so large that this wraps."""
    return place >= 0 and length <= limit and place <= limit - length


@_kernel
def _ring_inside(ram: Bytes, ring: Ints) -> bool:
    """Whether all three parts of the ring are RAM: the vector is ours, but what it leads to is not."""
    size = ring[SIZE]
    limit = ram.shape[0]
    return (
        size > 0
        and _inside(ring[DESC], _DESC_BYTES * size, limit)
        and _inside(ring[AVAIL], _RING_HEADER + 2 * size + 2, limit)
        and _inside(ring[USED], _RING_HEADER + _USED_BYTES * size + 2, limit)
    )


@_kernel
def _indirect_fault(
    negotiated: int, flags: int, nested: bool, place: int, length: int, ram_bytes: int
) -> int:
    """Why a descriptor does not lead to a usable indirect table, or 0."""
    if negotiated == 0:
        return INDIRECT_NOT_NEGOTIATED
    if nested:
        return INDIRECT_NESTED
    if flags & VRING_DESC_F_NEXT:
        return INDIRECT_WITH_NEXT
    if length == 0 or length % _DESC_BYTES:
        return INDIRECT_LENGTH
    if not _inside(place, length, ram_bytes):
        return INDIRECT_OUTSIDE_RAM
    return 0


@_kernel
def fetch(ram: Bytes, ring: Ints, limit: int, chains: Ints, segments: Ints) -> int:
    """Take up to `limit` available chains; return how many, or a code if the first one is bad.

    Good chains in front of a bad one are taken, and the next call is the one that fails. WAITING says
    how many of those that the driver had made available are left. With EVENT_IDX the driver is asked to
    notify again when it adds a chain after the last one taken.

    A chain has SIZE buffers at most, in both tables together; the descriptor that leads to an indirect
    table is none, and its WRITE flag means nothing. `segments` needs SIZE rows at least; a batch also
    ends when fewer are left, as the next chain may need them.
    """
    # One function, although long: numba counts references of arrays that go into a call, and a call a chain
    # made this loop half as fast.
    if not _ring_inside(ram, ring):
        return RING_OUTSIDE_RAM
    ram_bytes = ram.shape[0]
    base = ring[RAM_BASE]
    negotiated = ring[INDIRECT]
    size = ring[SIZE]
    avail = ring[AVAIL]
    position = ring[NEXT_AVAIL]
    waiting = (_load16(ram, avail + 2) - position) & 0xFFFF
    if waiting > size:
        return AVAIL_IDX_RUNS_AWAY
    waiting = min(waiting, limit)
    most = min(waiting, chains.shape[0])
    room = segments.shape[0] - size
    taken = 0
    first = 0
    code = 0
    while taken < most and first <= room:
        head = _load16(ram, avail + _RING_HEADER + 2 * (position & (size - 1)))
        table = ring[DESC]
        entries = size
        nested = False
        index = head
        buffers = 0
        total = 0
        seen_writable = False
        readable = 0
        writable = 0
        while True:
            if index >= entries:
                code = INDEX_OUTSIDE_TABLE
                break
            at = table + _DESC_BYTES * index
            addr = _load64(ram, at)  # the upper half of the address space comes out negative: below any RAM
            place = addr - base if addr >= base else -1
            length = _load32(ram, at + 8)
            flags = _load16(ram, at + 12)
            if flags & VRING_DESC_F_INDIRECT:
                code = _indirect_fault(negotiated, flags, nested, place, length, ram_bytes)
                if code < 0:
                    break
                nested = True
                table = place
                entries = length // _DESC_BYTES
                index = 0
                continue
            if buffers == size:
                code = CHAIN_TOO_LONG
                break
            buffers += 1
            total += length
            if total > _MAX_CHAIN_BYTES:
                code = CHAIN_TOO_MANY_BYTES
                break
            if flags & VRING_DESC_F_WRITE:
                seen_writable = True
            elif seen_writable:
                code = READABLE_AFTER_WRITABLE
                break
            if length > 0:
                if not _inside(place, length, ram_bytes):
                    code = BUFFER_OUTSIDE_RAM
                    break
                segment = first + readable + writable
                segments[segment, OFFSET] = place
                segments[segment, LENGTH] = length
                if seen_writable:
                    writable += 1
                else:
                    readable += 1
            if not flags & VRING_DESC_F_NEXT:
                break
            index = _load16(ram, at + 14)
        if code < 0:
            if taken == 0:
                ring[CULPRIT] = head
                return code
            break
        chains[taken, HEAD] = head
        chains[taken, FIRST] = first
        chains[taken, READABLE] = readable
        chains[taken, WRITABLE] = writable
        chains[taken, WRITTEN] = 0
        first += readable + writable
        position = (position + 1) & 0xFFFF
        taken += 1
    ring[NEXT_AVAIL] = position
    ring[WAITING] = waiting - taken
    if ring[EVENT_IDX]:
        _store16(ram, ring[USED] + _RING_HEADER + _USED_BYTES * size, position)
    return taken


@_kernel
def need_event(event: int, new: int, old: int) -> int:
    """Whether going from position `old` to `new` passes `event` (Linux's vring_need_event): 1 or 0."""
    return int((new - event - 1) & 0xFFFF < (new - old) & 0xFFFF)


@_kernel
def push(ram: Bytes, ring: Ints, chains: Ints, count: int) -> int:
    """Put the first `count` chains into the used ring; return 1 if the driver wants an interrupt, 0 if not.

    The index moves after all elements are there, and once: the driver sees a batch or nothing of it. The
    flags go to 0 because the device wants every notification. With IN_ORDER a chain without writable segments
    needs no element of its own: the next chain's takes its place and stands for both. (The driver takes it
    for written completely, so a chain with writable segments is told of.) A negative code means that nothing
    was done.
    """
    if not _ring_inside(ram, ring):
        return RING_OUTSIDE_RAM
    if count == 0:
        return 0
    size = ring[SIZE]
    used = ring[USED]
    in_order = ring[IN_ORDER]
    position = ring[NEXT_USED]
    first = position
    for row in range(count):
        at = used + _RING_HEADER + _USED_BYTES * (first & (size - 1))
        _store32(ram, at, chains[row, HEAD])
        _store32(ram, at + 4, chains[row, WRITTEN])
        position = (position + 1) & 0xFFFF
        if in_order == 0 or chains[row, WRITABLE] > 0:  # else the next element overwrites this one
            first = position
    _store16(ram, used, 0)
    _store16(ram, used + 2, position)
    ring[NEXT_USED] = position
    old = ring[SIGNALLED]
    ring[SIGNALLED] = position
    avail = ring[AVAIL]
    if ring[NOTIFY_ON_EMPTY] and _load16(ram, avail + 2) == ring[NEXT_AVAIL]:
        return 1
    if ring[EVENT_IDX]:
        return need_event(_load16(ram, avail + _RING_HEADER + 2 * size), position, old)
    return 1 - (_load16(ram, avail) & VRING_AVAIL_F_NO_INTERRUPT)


@_kernel
def collect_pfns(
    ram: Bytes, chains: Ints, segments: Ints, row: int, count: int, pfns: Ints, tally: Ints
) -> int:
    """Read the PFNs of chains row..count-1 until `pfns` is full; return the first row that was not read.

    A buffer is the bytes of its readable segments one after the other, so a PFN may lie in several.
    Bytes after the last whole PFN, PFNs beyond MAX_PFNS, and writable segments are passed over. `pfns`
    has room for MAX_PFNS at least, so a call always gets on. The number of PFNs is the growth of
    tally[PFNS].
    """
    found = 0
    while row < count:
        first = chains[row, FIRST]
        end = first + chains[row, READABLE]
        total = 0
        for segment in range(first, end):
            total += segments[segment, LENGTH]
        wanted = min(total >> 2, MAX_PFNS)
        if found + wanted > pfns.shape[0]:
            break
        tally[IGNORED] += (total >> 2) - wanted
        tally[ODD] += int(total & 3 != 0)
        tally[EMPTY] += int(total < 4)
        stop = found + wanted
        partial = 0  # the PFN that the segments so far have begun, and how many bits of it they held
        bits = 0
        for segment in range(first, end):
            at = segments[segment, OFFSET]
            left = segments[segment, LENGTH]
            while left > 0 and found < stop:
                if bits == 0 and left >= 4:
                    whole = min(left >> 2, stop - found)
                    for i in range(whole):
                        pfns[found + i] = _load32(ram, at + 4 * i)
                    found += whole
                    at += 4 * whole
                    left -= 4 * whole
                else:
                    partial |= int(ram[at]) << bits
                    bits += 8
                    at += 1
                    left -= 1
                    if bits == 32:
                        pfns[found] = partial
                        found += 1
                        partial = 0
                        bits = 0
        row += 1
    tally[PFNS] += found
    return row


@_kernel
def _sort(pfns: Ints, found: int) -> None:
    """Sort the first `found` PFNs upwards; a driver that allocates its pages in a row needs no real sort."""
    up = True
    down = True
    for i in range(1, found):
        up = up and pfns[i - 1] <= pfns[i]
        down = down and pfns[i - 1] >= pfns[i]
    if up:
        return
    if down:
        for i in range(found >> 1):
            other = pfns[found - 1 - i]
            pfns[found - 1 - i] = pfns[i]
            pfns[i] = other
        return
    pfns[:found].sort()


@_kernel
def coalesce(pfns: Ints, found: int, first_pfn: int, pages: int, ranges: Ints, tally: Ints) -> int:
    """Sort the PFNs and join neighbours into rows (first page of RAM, pages) of `ranges`; return how many.

    RAM is `pages` pages from PFN `first_pfn` on; other PFNs are counted and dropped, repeated ones counted.
    """
    _sort(pfns, found)
    rows = 0
    end = -1  # the page after the last range
    for i in range(found):
        page = pfns[i] - first_pfn
        if page < 0 or page >= pages:
            tally[OUTSIDE] += 1
        elif page < end:
            tally[REPEATED] += 1
        elif page == end:
            ranges[rows - 1, 1] += 1
            end += 1
        else:
            ranges[rows, 0] = page
            ranges[rows, 1] = 1
            rows += 1
            end = page + 1
    return rows


@_kernel
def mark(ballooned: Flags, ranges: Ints, rows: int, inflate: bool, tally: Ints) -> None:
    """Enter the ranges into the map of ballooned pages, or (`inflate` False) take them out of it."""
    for row in range(rows):
        for page in range(ranges[row, 0], ranges[row, 0] + ranges[row, 1]):
            if ballooned[page] == inflate:
                tally[REPEATED] += 1
            else:
                ballooned[page] = inflate
                tally[CHANGED] += 1


@_kernel
def exchange_pages(
    ram: Bytes,
    chains: Ints,
    segments: Ints,
    row: int,
    count: int,
    first_pfn: int,
    ballooned: Flags,
    inflate: bool,
    pfns: Ints,
    ranges: Ints,
    tally: Ints,
) -> int:
    """Do all that a batch of balloon buffers asks of the books; return the first row that is still to do.

    tally[RANGES] rows of `ranges` then say which pages of RAM the buffers named. `ranges` is as long as
    `pfns`.
    """
    before = tally[PFNS]
    row = collect_pfns(ram, chains, segments, row, count, pfns, tally)
    rows = coalesce(pfns, tally[PFNS] - before, first_pfn, ballooned.shape[0], ranges, tally)
    mark(ballooned, ranges, rows, inflate, tally)
    tally[RANGES] = rows
    return row
