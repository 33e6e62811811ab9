"""The ring kernels (`devices/virtio/kernels.py`) beside the same in C: descriptors, and a balloon's PFNs.

Each gets its own copy of the same guest memory and must leave the same behind. A call crosses from Python
into compiled code in both; it does a whole ring's work, so that the crossing does not count.
"""

import ctypes
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contest import HERE, AtLeast, Contest, Figures, Quantity
from devices.virtio import kernels
from devices.virtio.constants import VRING_DESC_F_NEXT, VRING_DESC_F_WRITE
from hv import board
from hv.images.build import zig_cc

C = "C -O2"
ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(__file__).with_name("native") / "ring.c"
CFLAGS = ["-O2", "-fno-sanitize=all", "-shared", "-fPIC"]

RING = 32_768
"""Descriptors: the most that a queue can have."""

CHAIN = 4
"""Descriptors in a chain: as a block request with two pieces of data."""

REQUEST = 256
"""PFNs in one of Linux's balloon requests."""

RAM_BYTES = 16 * board.MIB
DESC, AVAIL, BUFFERS = 0, 16 * RING, 8 * board.MIB
USED = AVAIL + 2 * (RING + 4)
PAGES = 65_536
"""Pages that the PFNs name; more than there is RAM here, which nobody looks at."""

CALLS = 50
"""Calls in a row that make one figure."""

DESCRIPTOR = np.dtype([("addr", "<u8"), ("len", "<u4"), ("flags", "<u2"), ("next", "<u2")])

Array = npt.NDArray[Any]
Binder = Callable[..., Callable[[], int]]
"""Takes a kernel's arguments, arrays and numbers; returns the call with them."""


class Task:
    """One kernel's work, with its own arrays.

    Args:
        bind: the kernel.
        items: descriptors or PFNs in a call.
        arguments: the kernel's arguments.
        begin: brings what a call changes back to its beginning.
    """

    def __init__(
        self, bind: Binder, items: int, arguments: tuple[Array | int, ...], begin: Callable[[], None]
    ) -> None:
        self._call = bind(*arguments)
        self._items = items
        self._begin = begin
        self.arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]

    def run(self) -> int:
        """Do it once; return what the kernel returns."""
        self._begin()
        return self._call()

    def rate(self) -> float:
        """Return millions of items a second."""
        start = time.perf_counter()
        for _ in range(CALLS):
            self.run()
        return CALLS * self._items / (time.perf_counter() - start) / 1e6


def contest(scratch: Path) -> Contest:
    """Compile the C, check that both do the same, return the contest."""
    zig_cc([*CFLAGS, str(SOURCE), "-o", str(scratch / "ring.so")], ROOT / ".zig-cache")
    library = ctypes.CDLL(str(scratch / "ring.so"))
    here = dict(_tasks(partial(partial, kernels.fetch), partial(partial, kernels.exchange_pages)))
    there = dict(_tasks(partial(_native, library.fetch), partial(_native, library.exchange_pages)))
    for name, task in here.items():
        if task.run() != there[name].run():
            raise RuntimeError(f"{name}: the kernel and the C return different numbers")
        for ours, theirs in zip(task.arrays, there[name].arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs, name)
    return Contest(
        title=f"Ring kernels: a ring of {RING:,}, balloon requests of {REQUEST} PFNs",
        quantities=tuple(
            Quantity(name, "million/s", more_is_better=True, floor=AtLeast(0.5, C)) for name in here
        ),
        contestants={HERE: partial(_rates, here), C: partial(_rates, there)},
        rounds=11,
    )


def _rates(tasks: dict[str, Task]) -> Figures:
    return {name: task.rate() for name, task in tasks.items()}


def _native(function: Any, *arguments: Array | int) -> Callable[[], int]:
    """Bind a C function: an array becomes its address and its rows, a number an int64."""
    converted: list[object] = []
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            converted += (ctypes.c_void_p(argument.ctypes.data), ctypes.c_int64(len(argument)))
        else:
            converted.append(ctypes.c_int64(argument))
    function.restype = ctypes.c_int64
    return partial(function, *converted)


def _tasks(fetch: Binder, exchange: Binder) -> Iterator[tuple[str, Task]]:
    """Make every task for one side, by the name of its quantity."""
    heads = list(range(0, RING, CHAIN))
    random.Random(1).shuffle(heads)
    pages = random.Random(2).sample(range(PAGES), kernels.MAX_PFNS)
    yield "walk chains of 1 descriptor", _walk(fetch, list(range(RING)), 1)
    yield f"walk chains of {CHAIN} descriptors, scattered", _walk(fetch, heads, CHAIN)
    yield "collect, join and mark PFNs in order", _exchange(exchange, sorted(pages))
    yield "collect, sort, join and mark scattered PFNs", _exchange(exchange, pages)


def _walk(fetch: Binder, heads: list[int], length: int) -> Task:
    """Fetch a full ring whose chains, each `length` descriptors in a row, begin at `heads`."""
    ram, ring = _memory()
    table = ram[DESC : DESC + 16 * RING].view(DESCRIPTOR)
    index = np.arange(RING)
    last = index % length == length - 1
    table["addr"] = board.DRAM_BASE + BUFFERS + 128 * index
    table["len"] = 128
    table["flags"] = np.where(last, VRING_DESC_F_WRITE, VRING_DESC_F_NEXT)
    table["next"] = np.where(last, 0, index + 1)
    _make_available(ram, heads)

    def begin() -> None:
        ring[kernels.NEXT_AVAIL] = 0

    return Task(fetch, RING, (ram, ring, RING, *_work()), begin)


def _exchange(exchange: Binder, pages: list[int]) -> Task:
    """Inflate with MAX_PFNS pages, in requests of REQUEST."""
    ram, ring = _memory()
    requests = len(pages) // REQUEST
    first_pfn = board.DRAM_BASE // board.PAGE_SIZE
    ram[BUFFERS : BUFFERS + 4 * len(pages)] = (np.array(pages, "<u4") + np.uint32(first_pfn)).view(np.uint8)
    table = ram[DESC : DESC + 16 * requests].view(DESCRIPTOR)
    table["addr"] = board.DRAM_BASE + BUFFERS + 4 * REQUEST * np.arange(requests)
    table["len"] = 4 * REQUEST
    _make_available(ram, list(range(requests)))
    chains, segments = _work()
    kernels.fetch(ram, ring, RING, chains, segments)
    ballooned = np.zeros(PAGES, np.bool_)
    pfns, ranges = np.zeros(kernels.MAX_PFNS, np.int64), np.zeros((kernels.MAX_PFNS, 2), np.int64)
    tally = np.zeros(kernels.TALLY_WORDS, np.int64)

    def begin() -> None:
        ballooned[:] = False
        tally[:] = 0

    arguments = (ram, chains, segments, 0, requests, first_pfn, ballooned, True, pfns, ranges, tally)
    return Task(exchange, len(pages), arguments, begin)


def _memory() -> tuple[Array, Array]:
    """Return RAM and the vector of a ring in it."""
    ring = np.zeros(kernels.RING_WORDS, np.int64)
    ring[kernels.RAM_BASE] = board.DRAM_BASE
    ring[kernels.SIZE] = RING
    ring[kernels.DESC], ring[kernels.AVAIL], ring[kernels.USED] = DESC, AVAIL, USED
    return np.zeros(RAM_BYTES, np.uint8), ring


def _work() -> tuple[Array, Array]:
    """Return the arrays `chains` and `segments`, with room for two full rings of segments."""
    chains = np.zeros((RING, kernels.CHAIN_COLUMNS), np.int64)
    return chains, np.zeros((2 * RING, kernels.SEGMENT_COLUMNS), np.int64)


def _make_available(ram: Array, heads: list[int]) -> None:
    entries = ram[AVAIL : AVAIL + 4 + 2 * len(heads)].view("<u2")
    entries[1] = len(heads)
    entries[2:] = heads
