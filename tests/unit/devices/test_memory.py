"""Guest RAM: bounds, discards, and who is told of writes."""

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.memory import PAGE_SIZE, GuestMemory, GuestMemoryError

BASE = 0x8000_0000
SIZE = 16 * PAGE_SIZE


@pytest.mark.parametrize(
    ("base", "size"),
    [(BASE, 0), (BASE, -PAGE_SIZE), (BASE, 100), (BASE + 1, SIZE), (-SIZE, SIZE), (BASE, 1 << 60)],
)
def test_ram_is_whole_pages_that_the_host_has(base: int, size: int) -> None:
    """Anything else is refused in one line."""
    with pytest.raises(GuestMemoryError) as error:
        GuestMemory.allocate(base, size)
    assert "\n" not in str(error.value)


def test_large_ram_costs_nothing_until_it_is_touched() -> None:
    """8 GiB can be made anywhere, reads zero, and takes a page for each page touched."""
    memory = GuestMemory.allocate(BASE, 8 << 30)
    assert memory.resident_bytes() == 0
    memory.write(BASE + (8 << 30) - 4, b"last")
    assert memory.read(BASE + (8 << 30) - 8, 8) == b"\0\0\0\0last"
    assert memory.resident_bytes() == PAGE_SIZE


@given(addr=st.integers(BASE - 20, BASE + SIZE + 20), length=st.integers(0, 20))
def test_every_access_is_checked(addr: int, length: int) -> None:
    """A range is readable and writable exactly if all of it is RAM; otherwise nothing is changed or told."""
    memory = GuestMemory.allocate(BASE, SIZE)
    told: list[tuple[int, int]] = []
    memory.on_write = lambda at, n: told.append((at, n))
    if addr >= BASE and addr + length <= BASE + SIZE:
        memory.write(addr, b"\x5a" * length)
        assert memory.read(addr, length) == b"\x5a" * length
        assert int(memory.ram.sum()) == 0x5A * length
        assert told == [(addr, length)]
    else:
        for access in (
            lambda: memory.read(addr, length),
            lambda: memory.view(addr, length),
            lambda: memory.write(addr, bytes(length)),
        ):
            with pytest.raises(GuestMemoryError, match=f"{length:#x} bytes at {addr:#x} are not in RAM"):
                access()
        assert told == []


@given(first=st.integers(0, 15), pages=st.integers(0, 16))
def test_discarded_pages_read_zero_and_are_free(first: int, pages: int) -> None:
    """Exactly the pages named go back to the host, and whoever keeps translated code is told."""
    memory = GuestMemory.allocate(BASE, SIZE)
    memory.ram[:] = 0xFF
    told: list[tuple[int, int]] = []
    memory.on_write = lambda at, n: told.append((at, n))
    addr, length = BASE + first * PAGE_SIZE, pages * PAGE_SIZE
    if first + pages > 16:
        with pytest.raises(GuestMemoryError, match="no whole pages of RAM"):
            memory.discard(addr, length)
        assert memory.resident_bytes() == SIZE
        return
    memory.discard(addr, length)
    assert memory.resident_bytes() == SIZE - length
    assert int((memory.ram == 0).sum()) == length
    assert not memory.view(addr, length).any()
    assert told == ([(addr, length)] if length else [])


@pytest.mark.parametrize(
    ("addr", "length"), [(BASE + 1, PAGE_SIZE), (BASE, 100), (BASE - PAGE_SIZE, PAGE_SIZE)]
)
def test_only_whole_pages_can_be_discarded(addr: int, length: int) -> None:
    """A part of a page, or a page outside RAM, is refused."""
    with pytest.raises(GuestMemoryError, match="no whole pages of RAM"):
        GuestMemory.allocate(BASE, SIZE).discard(addr, length)


def test_looking_costs_nothing() -> None:
    """A page that was read but never written takes no host memory, and does not count as held."""
    memory = GuestMemory.allocate(BASE, SIZE)
    memory.write(BASE + PAGE_SIZE, b"x")
    assert int(memory.ram.sum()) == ord("x")
    assert np.flatnonzero(memory.held()).tolist() == [1]
    assert memory.resident_bytes() == PAGE_SIZE


def test_the_memory_goes_with_its_last_user() -> None:
    """The host has the address space back when nobody holds the RAM any more."""
    memory = GuestMemory.allocate(BASE, SIZE)
    start = f"{memory.address:x}-"
    assert start in Path("/proc/self/maps").read_text()
    del memory
    gc.collect()
    assert start not in Path("/proc/self/maps").read_text()
