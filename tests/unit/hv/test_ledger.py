"""The ledger's parts on memory made by hand: what is reachable, whose books are refused, who is blamed."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.memory import PAGE_SIZE, GuestMemory
from hv import images, reach
from hv.guestpages import BooksError, GuestPages, Vmcoreinfo
from hv.pages import describe_pages
from hv.symbols import Symbols
from tests.harness.guest import booted, config

PAGES = 12
MEM_MAP = 1
STRUCT = 32
RAM_PAGE = 0x80000
RAM_ADDRESS = -(1 << 38) + RAM_PAGE * PAGE_SIZE

words = st.one_of(
    st.integers(0, PAGES - 1).map(lambda page: RAM_ADDRESS + page * PAGE_SIZE),
    st.integers(0, PAGES * PAGE_SIZE - 1).map(lambda offset: RAM_ADDRESS + offset),
    st.integers(0, PAGES - 1).map(lambda page: RAM_ADDRESS + MEM_MAP * PAGE_SIZE + page * STRUCT + 8),
    st.integers(0, PAGES).map(lambda page: RAM_PAGE + page << 10 | 1),
    st.integers(-(1 << 63), (1 << 63) - 1),
)


def slow_reach(memory: np.ndarray, registers: list[int], kinds: list[int], orders: list[int]) -> set[int]:
    """The search again, in plain Python."""
    struct_pages = [MEM_MAP * 512 + page * STRUCT // 8 for page in range(PAGES)]
    queue: list[int] = []
    found: set[int] = set()

    def follow(contents: list[int]) -> None:
        for word in contents:
            offset = word - RAM_ADDRESS
            entry = offset - MEM_MAP * PAGE_SIZE
            if 0 <= entry < PAGES * STRUCT:
                target = entry // STRUCT
            elif 0 <= offset < PAGES * PAGE_SIZE:
                target = offset // PAGE_SIZE
            elif word & 0x3FF == 1 and 0 <= (word >> 10) - RAM_PAGE < PAGES:
                target = (word >> 10) - RAM_PAGE
            else:
                continue
            if target in found or kinds[target] == reach.NOBODYS:
                continue
            for page in range(target, min(target + (1 << orders[target]), PAGES)):
                if page not in found and kinds[page] != reach.NOBODYS:
                    found.add(page)
                    queue.append(page)

    follow(registers)
    for page in range(PAGES):
        if kinds[page] == reach.ROOT and page not in found:
            found.add(page)
            queue.append(page)
    while queue:
        page = queue.pop()
        if kinds[page] >= reach.IN_USE:
            follow(memory[page * 512 : page * 512 + 512].tolist())
        follow(memory[struct_pages[page] : struct_pages[page] + STRUCT // 8].tolist())
    return found


@given(
    writes=st.lists(st.tuples(st.integers(0, PAGES * 512 - 1), words), max_size=40),
    structs=st.lists(st.tuples(st.integers(0, PAGES * STRUCT // 8 - 1), words), max_size=20),
    registers=st.lists(words, max_size=3),
    kinds=st.lists(st.sampled_from([0, 1, 2, 2, 3]), min_size=PAGES, max_size=PAGES),
    orders=st.lists(st.integers(0, 3), min_size=PAGES, max_size=PAGES),
)
def test_the_search_finds_what_a_slow_one_finds(
    writes: list[tuple[int, int]],
    structs: list[tuple[int, int]],
    registers: list[int],
    kinds: list[int],
    orders: list[int],
) -> None:
    """For any memory the compiled mark-and-sweep finds the pages that the plain one finds."""
    kinds[MEM_MAP] = reach.NOBODYS
    memory = np.zeros(PAGES * 512, np.int64)
    for at, word in writes:
        memory[at] = word
    for at, word in structs:
        memory[MEM_MAP * 512 + at] = word
    layout = np.zeros(reach.LAYOUT_WORDS, np.int64)
    layout[reach.RAM_ADDRESS] = RAM_ADDRESS
    layout[reach.MEM_MAP] = MEM_MAP * PAGE_SIZE
    layout[reach.DESCRIBED] = PAGES
    layout[reach.STRUCT_SIZE] = STRUCT
    layout[reach.RAM_PAGE] = RAM_PAGE
    found = reach.reach(
        memory,
        np.array(registers, np.int64),
        np.array(kinds, np.uint8),
        np.array(orders, np.uint32),
        layout,
    )
    assert set(np.flatnonzero(found).tolist()) == slow_reach(memory, registers, kinds, orders)


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    """Symbols of the kernel."""
    return Symbols((images.GUEST,))


def test_books_that_lead_astray_are_refused(symbols: Symbols) -> None:
    """Whatever word of the guest's books is broken, they are read or refused, and nothing else happens."""
    refused = 0
    with booted(config(64)) as guest:
        memory = guest.machine.memory
        info = Vmcoreinfo(memory, symbols)
        places = [
            info.physical(info.symbol(name)) + 8 * word
            for name, count in (
                ("mem_map", 1),
                ("min_low_pfn", 1),
                ("max_pfn", 1),
                ("zone", 5),
                ("memblock_memory", 4),
                ("memblock_reserved", 4),
            )
            for word in range(count)
        ]
        for place in places:
            right = memory.read(place, 8)
            for value in (0, 1, 1 << 31, (1 << 64) - 1, 1 << 63, RAM_PAGE + 1):
                memory.write(place, struct.pack("<Q", value))
                try:
                    books = GuestPages.read(Vmcoreinfo(memory, symbols))
                except BooksError:
                    refused += 1
                else:
                    assert len(books.free) == memory.size // PAGE_SIZE
            memory.write(place, right)
    assert refused > len(places)


def test_a_kernel_without_a_note_has_no_books() -> None:
    """Firmware alone, or a kernel that has not come so far, has no books to read."""
    memory = GuestMemory.allocate(0x8000_0000, 32 << 20)
    with pytest.raises(BooksError, match="no VMCOREINFO"):
        Vmcoreinfo(memory, Symbols((images.FIRMWARE,)))
    with pytest.raises(BooksError, match="not written"):
        Vmcoreinfo(memory, Symbols((images.GUEST,)))


def test_pages_are_named_in_ranges() -> None:
    """One page, a range, and no more than four of them."""
    pages = np.zeros(64, np.bool_)
    pages[[3, 5, 6]] = True
    assert describe_pages(pages, 0x100) == "3 pages: 0x103, 0x105-0x106"
    pages[[10, 12, 14]] = True
    assert describe_pages(pages) == "6 pages: 0x3, 0x5-0x6, 0xa, 0xc, and 1 more ranges"
