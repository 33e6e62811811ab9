"""The balloon's kernels: buffers to PFNs, PFNs to ranges, ranges to the books."""

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio import kernels
from devices.virtio.kernels import MAX_PFNS
from tests.kernels.oracle import Books

PAGES = 64


class Pages:
    """A batch of buffers laid out in RAM as segments, and the kernel's side of the books."""

    def __init__(self, buffers: list[list[bytes]], first_pfn: int) -> None:
        self.first_pfn = first_pfn
        pieces = [piece for buffer in buffers for piece in buffer]
        self.ram = np.frombuffer(b"".join(pieces) + b"\xff", dtype=np.uint8).copy()
        ends = np.cumsum([0] + [len(piece) for piece in pieces])
        spans = [(int(at), int(end - at)) for at, end in pairwise(ends)]
        self.segments = np.array(spans, dtype=np.int64).reshape(-1, kernels.SEGMENT_COLUMNS)
        self.chains = np.zeros((len(buffers), kernels.CHAIN_COLUMNS), dtype=np.int64)
        first = 0
        for row, buffer in enumerate(buffers):
            self.chains[row, kernels.FIRST] = first
            self.chains[row, kernels.READABLE] = len(buffer)
            first += len(buffer)
        self.ballooned = np.zeros(PAGES, dtype=np.bool_)
        self.pfns = np.zeros(MAX_PFNS, dtype=np.int64)
        self.ranges = np.zeros((MAX_PFNS, 2), dtype=np.int64)

    def exchange(self, row: int, inflate: bool) -> tuple[int, list[tuple[int, int]], list[int]]:
        """Call the kernel; return the next row, the ranges and the tally."""
        tally = np.zeros(kernels.TALLY_WORDS, dtype=np.int64)
        row = kernels.exchange_pages(
            self.ram,
            self.chains,
            self.segments,
            row,
            len(self.chains),
            self.first_pfn,
            self.ballooned,
            inflate,
            self.pfns,
            self.ranges,
            tally,
        )
        ranges = [(first, count) for first, count in self.ranges[: tally[kernels.RANGES]].tolist()]
        return row, ranges, tally.tolist()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Divide bytes at places (taken modulo the length); no piece is empty."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[at:end] for at, end in pairwise(ends)]


FIRST_PFNS = st.sampled_from((0, 0x80000, (1 << 32) - PAGES))
OFFSETS = st.one_of(st.integers(-1, PAGES), st.sampled_from((0, PAGES - 1, PAGES)))


@given(
    first_pfn=FIRST_PFNS,
    requests=st.lists(
        st.tuples(st.booleans(), st.lists(st.lists(OFFSETS, max_size=20), min_size=1, max_size=4)), max_size=4
    ),
    tail=st.binary(max_size=3),
    places=st.lists(st.integers(0, 80), max_size=6),
)
def test_books_and_ranges_are_the_oracles(
    first_pfn: int,
    requests: list[tuple[bool, list[list[int]]]],
    tail: bytes,
    places: list[int],
) -> None:
    """Inflates and deflates in any order and framing, at RAM's edges too, keep the oracle's books."""
    books = Books(PAGES, first_pfn)
    ballooned = np.zeros(PAGES, dtype=np.bool_)
    for inflate, lists in requests:
        buffers = [
            b"".join(struct.pack("<I", (first_pfn + offset) & 0xFFFF_FFFF) for offset in offsets) + tail
            for offsets in lists
        ]
        pages = Pages([cut(data, places) for data in buffers], first_pfn)
        pages.ballooned = ballooned
        books.tally = [0] * kernels.TALLY_WORDS
        expected = books.exchange(buffers, inflate)
        assert pages.exchange(0, inflate) == (len(buffers), expected, books.tally)
        assert set(np.flatnonzero(ballooned).tolist()) == books.ballooned


@pytest.mark.parametrize(
    "order", [range(PAGES), range(PAGES - 1, -1, -1), [*range(1, PAGES, 2), *range(0, PAGES, 2)]]
)
def test_all_of_ram_is_one_range_in_any_order(order: list[int]) -> None:
    """Pages that come upwards, downwards or mixed join to one range from the first page to the last."""
    pages = Pages([[b"".join(struct.pack("<I", pfn) for pfn in order)]], 0)
    _, ranges, tally = pages.exchange(0, True)
    assert ranges == [(0, PAGES)]
    assert tally[kernels.CHANGED] == PAGES


@pytest.mark.parametrize("extra", [-1, 0, 1, 5])
def test_an_over_long_buffer_counts_what_it_ignores(extra: int) -> None:
    """A buffer is read up to MAX_PFNS; the PFNs beyond are counted, not looked at."""
    data = np.zeros(MAX_PFNS + extra, dtype=np.dtype("<u4"))
    data[-1] = 1
    pages = Pages([[data.tobytes()]], 0)
    _, ranges, tally = pages.exchange(0, True)
    assert ranges == [(0, 1 if extra > 0 else 2)]
    assert tally[kernels.PFNS] == min(MAX_PFNS, MAX_PFNS + extra)
    assert tally[kernels.IGNORED] == max(0, extra)


def test_a_large_batch_is_done_in_parts() -> None:
    """Buffers that together exceed the work arrays are taken whole, one part after the other."""
    half = np.zeros(MAX_PFNS // 2 + 1, dtype=np.dtype("<u4")).tobytes()
    pages = Pages([[half], [half], [half[:4]], [half]], 0)
    rows = []
    row = 0
    while row < 4:
        row, _, tally = pages.exchange(row, True)
        rows.append(row)
        assert tally[kernels.IGNORED] == 0
    assert rows == [1, 3, 4]
