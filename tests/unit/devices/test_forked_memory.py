"""Frozen bytes, and the RAM and disks that start from them."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError
from devices.forked_memory import ForkedMemory
from devices.memory import PAGE_SIZE, GuestMemory
from devices.virtio.backends import MemoryBackend
from devices.virtio.forked_backend import ForkedBackend, freeze
from hv.moment import freeze_ram

BASE = 0x8000_0000
PAGES = 12

CONTENTS = st.lists(st.sampled_from([0, 0, 1, 2]), min_size=PAGES, max_size=PAGES)
"""A byte for each page, which is filled with it."""

SPANS = st.tuples(st.integers(0, PAGES - 1), st.integers(1, PAGES)).map(
    lambda span: (span[0], min(span[1], PAGES - span[0]))
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SPANS, st.integers(0, 255)),
        st.tuples(st.just("discard"), SPANS, st.just(0)),
        st.tuples(st.just("rewind"), st.just((0, PAGES)), st.just(0)),
    ),
    max_size=8,
)


def filled(contents: list[int]) -> GuestMemory:
    """RAM whose pages that are not zero were written to."""
    memory = GuestMemory.allocate(BASE, PAGES * PAGE_SIZE)
    for page, byte in enumerate(contents):
        if byte:
            memory.write(BASE + page * PAGE_SIZE, bytes([byte]) * PAGE_SIZE)
    return memory


def pages_of(memory: GuestMemory) -> list[int]:
    """The byte that each page is filled with."""
    rows = memory.ram.reshape(-1, PAGE_SIZE)
    assert (rows == rows[:, :1]).all()
    return [int(byte) for byte in rows[:, 0]]


@given(contents=CONTENTS, steps=STEPS)
def test_a_fork_is_ram_like_any_other(
    contents: list[int], steps: list[tuple[str, tuple[int, int], int]]
) -> None:
    """It reads as ordinary RAM whatever is done; a rewind goes back; the moment never changes."""
    original = filled(contents)
    frozen = freeze_ram(original)
    fork, model = ForkedMemory(BASE, frozen), list(contents)
    told: list[tuple[int, int]] = []
    fork.on_write = lambda at, length: told.append((at, length))
    dirty: set[int] = set()
    for kind, (first, count), byte in steps:
        at, length = BASE + first * PAGE_SIZE, count * PAGE_SIZE
        span = range(first, first + count)
        told.clear()
        if kind == "write":
            fork.write(at, bytes([byte]) * length)
            model[first : first + count] = [byte] * count
            dirty.update(span)
        elif kind == "discard":
            fork.discard(at, length)
            model[first : first + count] = [0] * count
            dirty.difference_update(span)
            dirty.update(page for page in span if contents[page])
        else:
            fork.rewind()
            model[:] = contents
            pages = {
                page
                for at, size in told
                for page in range((at - BASE) // PAGE_SIZE, (at + size - BASE) // PAGE_SIZE)
            }
            assert pages == dirty, "whoever keeps translated code hears of exactly what changed"
            dirty.clear()
        assert fork.resident_bytes() == len(dirty) * PAGE_SIZE
        assert pages_of(fork) == model
        held = fork.held()
        assert all(held[page] for page in range(PAGES) if model[page])
        assert fork.nonzero().tolist() == [byte != 0 for byte in model]
    assert pages_of(original) == contents
    assert pages_of(ForkedMemory(BASE, frozen)) == contents


def test_frozen_means_frozen() -> None:
    """Not even this process can write to what is frozen, or make it smaller."""
    frozen = freeze_ram(filled([1] * PAGES))
    with pytest.raises(PermissionError):
        os.pwrite(frozen.fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(frozen.fd, 0)


def test_only_what_is_not_zero_is_copied() -> None:
    """A page of zeros takes no memory in the copy, written to or not."""
    memory = filled([0, 3, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0])
    memory.write(BASE + 2 * PAGE_SIZE, bytes(PAGE_SIZE))
    frozen = freeze_ram(memory)
    assert np.flatnonzero(frozen.held).tolist() == [1, 4]
    assert os.fstat(frozen.fd).st_blocks * 512 == 2 * PAGE_SIZE


@given(
    size=st.sampled_from([512, 4096, 4096 + 512, (1 << 20) + 1024]),
    writes=st.lists(st.tuples(st.integers(0, 1 << 21), st.binary(min_size=1, max_size=40)), max_size=6),
)
def test_a_forked_disk_is_a_disk_like_any_other(size: int, writes: list[tuple[int, bytes]]) -> None:
    """It begins with the frozen contents, keeps what is written, and rewinds; the original stays."""
    before = bytes(range(1, 256)) * (size // 255) + bytes(size % 255)
    original = MemoryBackend(before)
    fork, model = ForkedBackend(freeze(original)), MemoryBackend(before)

    def read_all() -> bytes:
        data = bytearray(fork.size)
        half = memoryview(data)[: fork.size // 2]
        fork.read(0, [half, memoryview(data)[fork.size // 2 :]])
        return bytes(data)

    assert (fork.size, fork.read_only) == (size, False)
    for at, data in writes:
        at = min(at % size, size - len(data))
        for disk in (fork, model):
            disk.write(at, [memoryview(data[:1]), memoryview(data[1:])])
    fork.flush()
    assert read_all() == bytes(model.data)
    fork.rewind()
    assert read_all() == before == bytes(original.data)


def test_a_disk_that_cannot_be_read_is_not_frozen() -> None:
    """An I/O error is the caller's to report, in one line."""

    class Broken(MemoryBackend):
        def read(self, offset: int, buffers: object) -> None:
            raise OSError("medium error")

    with pytest.raises(DeviceError, match="a disk cannot be copied: medium error"):
        freeze(Broken(bytes(512)))
