"""Drives the kernels through a whole ring beside the oracle, with guards around everything they may touch."""

import random

import numpy as np

from devices.virtio import kernels
from tests.kernels import oracle
from tests.kernels.oracle import Books, Chain, Layout
from tests.kernels.rings import BASE, RAM_BYTES, vector

_GUARD = 256
_FILL = 0xA5
_PAGES = RAM_BYTES // 4096


class Guarded:
    """An array in the middle of a larger one whose rest must not change."""

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        rows = shape[0]
        self._whole = np.zeros((rows + 2 * _GUARD, *shape[1:]), dtype=dtype)
        self._whole.view(np.uint8)[:] = _FILL
        self.array = self._whole[_GUARD : _GUARD + rows]

    def check(self) -> None:
        """Fail if a guard changed."""
        for guard in (self._whole[:_GUARD], self._whole[len(self._whole) - _GUARD :]):
            assert (guard.view(np.uint8) == _FILL).all()


class Bench:
    """One ring, twice: in guarded arrays for the kernels, and in a bytearray for the oracle."""

    def __init__(self, ram: bytearray, ring: Layout, seed: int) -> None:
        self._rng = random.Random(seed)
        self._expected = ram
        self._ring = ring
        self._ram = Guarded((len(ram),), np.uint8)
        self._ram.array[:] = np.frombuffer(bytes(ram), dtype=np.uint8)
        self._vector = Guarded((kernels.RING_WORDS,), np.int64)
        self._vector.array[:] = vector(ring)
        self._chains = Guarded((self._rng.randint(1, ring.size), kernels.CHAIN_COLUMNS), np.int64)
        rows = ring.size + self._rng.randint(0, ring.size)
        self._segments = Guarded((rows, kernels.SEGMENT_COLUMNS), np.int64)
        self._guards = (self._ram, self._vector, self._chains, self._segments)

    def run(self) -> int:
        """Take and give back all that waits; return the fault that ended it, or 0."""
        self._push_nothing()
        for _ in range(2 * self._ring.size + 2):  # no ring has more to give, not even one that feeds itself
            limit = self._rng.randint(1, self._ring.size)
            taken = self._fetch(limit)
            if taken <= 0:
                return taken
            self._exchange(taken)
            self._push(taken)
        return 0

    def _fetch(self, limit: int) -> int:
        """Fetch a batch; it is what the oracle sees, as far as the limits of the call allow."""
        ring = self._ring
        good, fault = oracle.available(bytes(self._expected), ring)
        taken = kernels.fetch(
            self._ram.array, self._vector.array, limit, self._chains.array, self._segments.array
        )
        if taken <= 0:
            assert not good
            assert taken == fault
        else:
            chains = [self._chain(row) for row in range(taken)]
            assert chains == good[:taken]
            segments = sum(len(chain.readable) + len(chain.writable) for chain in chains)
            full = len(self._segments.array) - segments < ring.size
            assert taken == len(good) or taken == min(limit, len(self._chains.array)) or full
            oracle.take(self._expected, ring, taken)
        if taken == 0:
            oracle.take(self._expected, ring, 0)
        self._check()
        return taken

    def _push(self, count: int) -> None:
        used = []
        for row in range(count):
            chain = self._chain(row)
            used.append((chain, self._rng.choice((0, 1, 4096, 0xFFFF_FFFF))))
        for row, (_, written) in enumerate(used):
            self._chains.array[row, kernels.WRITTEN] = written
        wanted = oracle.push(self._expected, self._ring, used)
        notify = self._push_kernel(count)
        assert notify == int(wanted)
        self._check()

    def _push_nothing(self) -> None:
        """An empty batch leaves RAM alone and interrupts nobody, even where there is no ring."""
        code = self._push_kernel(0)
        assert code == (0 if oracle.ring_is_ram(self._expected, self._ring) else kernels.RING_OUTSIDE_RAM)
        self._check()

    def _push_kernel(self, count: int) -> int:
        return kernels.push(self._ram.array, self._vector.array, self._chains.array, count)

    def _exchange(self, count: int) -> None:
        """Read the batch as balloon buffers."""
        books = Books(_PAGES, BASE >> 12)
        buffers = []
        for row in range(count):
            pieces = self._chain(row).readable
            buffers.append(b"".join(bytes(self._expected[at : at + n]) for at, n in pieces))
        inflate = self._rng.random() < 0.5
        ballooned = Guarded((_PAGES,), np.bool_)
        for page in range(_PAGES):
            ballooned.array[page] = self._rng.random() < 0.5
            if ballooned.array[page]:
                books.ballooned.add(page)
        pfns = Guarded((kernels.MAX_PFNS,), np.int64)
        ranges = Guarded((kernels.MAX_PFNS, 2), np.int64)
        tally = np.zeros(kernels.TALLY_WORDS, dtype=np.int64)
        row = kernels.exchange_pages(
            self._ram.array,
            self._chains.array,
            self._segments.array,
            0,
            count,
            books.first_pfn,
            ballooned.array,
            inflate,
            pfns.array,
            ranges.array,
            tally,
        )
        assert row > 0
        expected = books.exchange(buffers[:row], inflate)
        assert [tuple(pair) for pair in ranges.array[: tally[kernels.RANGES]].tolist()] == expected
        assert tally.tolist() == books.tally
        assert {page for page in range(_PAGES) if ballooned.array[page]} == books.ballooned
        for guarded in (ballooned, pfns, ranges):
            guarded.check()
        self._check()

    def _chain(self, row: int) -> Chain:
        head, first, readable, writable, written = self._chains.array[row].tolist()
        assert written == 0
        segments = [
            tuple(pair) for pair in self._segments.array[first : first + readable + writable].tolist()
        ]
        return Chain(head, segments[:readable], segments[readable:])

    def _check(self) -> None:
        """RAM and positions are the oracle's, and no guard was touched."""
        assert self._ram.array.tobytes() == bytes(self._expected)
        assert self._vector.array[: kernels.WAITING].tolist() == vector(self._ring)[: kernels.WAITING]
        for guarded in self._guards:
            guarded.check()
