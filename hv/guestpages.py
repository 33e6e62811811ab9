"""What the guest's own books say of every page, read from its memory: struct pages, memblock, the balloon.

The toy kernel publishes where its data structures are as Linux does, in VMCOREINFO (`guest/kernel/
vmcore_info.c`), found by its symbol. The guest is not asked, so its books can be read at any moment, also
when it is dead; and it is not believed: a book that leads out of RAM or makes no sense is no book.

Pages are numbered from the start of RAM.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from devices.memory import PAGE_SIZE, GuestMemory, GuestMemoryError, Pages
from hv import reach
from hv.symbols import Symbols

_LINE = re.compile(rb"([A-Z]+\([\w.]+\))=(0x)?([0-9a-fA-F]+)")
_REGIONS_MAX = 1024
_WORD = 8


class BooksError(Exception):
    """The guest's books are not there, or make no sense."""


class Vmcoreinfo:
    """The kernel's note and the memory that it speaks of; numbers are looked up by their key.

    Args:
        memory: guest RAM.
        symbols: of the kernel.

    Raises:
        BooksError: the kernel has no such note, or has not written it yet.
    """

    def __init__(self, memory: GuestMemory, symbols: Symbols) -> None:
        data, size = symbols.address("vmcoreinfo_data"), symbols.address("vmcoreinfo_size")
        if data is None or size is None:
            raise BooksError("the kernel has no VMCOREINFO")
        self.memory = memory
        try:
            length = int.from_bytes(memory.read(size, _WORD), "little")
            text = memory.read(data, min(length, PAGE_SIZE))
        except GuestMemoryError as error:
            raise BooksError(str(error)) from None
        found = (_LINE.fullmatch(line) for line in text.splitlines())
        self._values = {
            match[1].decode(): int(match[3], 16 if match[2] or match[1].startswith(b"SYMBOL") else 10)
            for match in found
            if match and (match[2] or match[1].startswith(b"SYMBOL") or match[3].isdigit())
        }
        if not length:
            raise BooksError("the kernel has not written its VMCOREINFO yet")

    def __getitem__(self, key: str) -> int:
        """A number, by its key in the note."""
        try:
            return self._values[key]
        except KeyError:
            raise BooksError(f"VMCOREINFO has no {key}") from None

    def offset(self, field: str) -> int:
        """The offset of a field, `struct.field`."""
        return self[f"OFFSET({field})"]

    def symbol(self, name: str) -> int:
        """The virtual address of a variable."""
        return self[f"SYMBOL({name})"]

    def physical(self, address: int) -> int:
        """The physical address of one in the linear map."""
        return address - self["NUMBER(PAGE_OFFSET)"]

    def page_of_struct(self, address: int) -> int:
        """The number of the page in RAM whose struct page is at a virtual address; raises BooksError."""
        mem_map, size, first = self._mem_map
        index, rest = divmod(address - mem_map, size)
        page = first + index
        if rest or not 0 <= page < self.memory.size // PAGE_SIZE:
            raise BooksError(f"no struct page is at {address:#x}")
        return page

    @cached_property
    def _mem_map(self) -> tuple[int, int, int]:
        """Where the structs are, their size, and the page of the first: a kernel keeps them."""
        first = self.word(self.symbol("min_low_pfn")) - self.memory.base // PAGE_SIZE
        return self.word(self.symbol("mem_map")), self["SIZE(page)"], first

    def word(self, address: int) -> int:
        """The 64 bits at a virtual address of the linear map."""
        return int.from_bytes(self.read(address, _WORD), "little")

    def read(self, address: int, length: int) -> npt.NDArray[np.uint8]:
        """The bytes at a virtual address of the linear map, not copied."""
        try:
            return self.memory.view(self.physical(address), length)
        except GuestMemoryError as error:
            raise BooksError(str(error)) from None


@dataclass(frozen=True)
class GuestPages:
    """One flag a page and column; a page with none of them is in use, and nobody says what for.

    Attributes:
        ram: the kernel manages it at all; the others are the firmware's.
        free: in the page allocator's hands.
        reserved: never the allocator's: kernel image, mem_map, device tree.
        offline: the driver's books have it in the balloon (PG_offline).
        isolated: taken from the allocator for a report that is under way (PG_reported).
        slab: small objects of kmalloc.
        large: object of whole pages of kmalloc.
        touched: filled by `touch`.
        orders: log2 of the pages of the block in use that begins at a page; 0 elsewhere.
        managed: totalram_pages.
    """

    ram: Pages
    free: Pages
    reserved: Pages
    offline: Pages
    isolated: Pages
    slab: Pages
    large: Pages
    touched: Pages
    orders: npt.NDArray[np.uint32]
    managed: int

    @property
    def used(self) -> Pages:
        """Taken from the allocator, for whatever."""
        return self.ram & ~self.free & ~self.reserved & ~self.offline & ~self.isolated

    @classmethod
    def read(cls, info: Vmcoreinfo) -> Self:
        """Read the books as they are now.

        Raises:
            BooksError: they make no sense.
        """
        memory = info.memory
        pages = memory.size // PAGE_SIZE
        base = memory.base // PAGE_SIZE
        ram, kept = (_regions(info, f"memblock_{kind}") for kind in ("memory", "reserved"))
        zone = info.symbol("zone")
        low, high = info.word(info.symbol("min_low_pfn")), info.word(info.symbol("max_pfn"))
        known = min(info.word(zone + info.offset("zone.first_deferred_pfn")), high)
        if not base <= low <= known <= high <= base + pages:
            raise BooksError(f"page frames {low:#x} to {known:#x} to {high:#x} are not RAM")

        flags, order = np.zeros(pages, np.uint32), np.zeros(pages, np.uint32)
        size = info["SIZE(page)"]
        raw = info.read(info.word(info.symbol("mem_map")), (known - low) * size)
        structs = np.ndarray(
            known - low,
            {
                "names": ["flags", "order"],
                "formats": ["<u4", "<u4"],
                "offsets": [info.offset("page.flags"), info.offset("page.order")],
                "itemsize": size,
            },
            raw.data,
        )
        known_pages = slice(low - base, known - base)
        flags[known_pages], order[known_pages] = structs["flags"], structs["order"]

        def flagged(name: str) -> Pages:
            marked: Pages = flags >> np.uint32(info[f"NUMBER(PG_{name})"]) & 1 != 0
            return marked

        deferred = np.zeros(pages, np.bool_)
        deferred[known - base : high - base] = True
        free = _blocks(flagged("buddy"), order)
        own = ~free & ram  # the other pages of a free block have no flags that mean anything
        return cls(
            ram=ram,
            free=free | deferred & ram & ~kept,
            reserved=(flagged("reserved") | deferred & kept) & own,
            offline=flagged("offline") & own,
            isolated=_blocks(flagged("reported") & own, order),
            slab=flagged("slab") & own,
            large=_blocks(flagged("large") & own, order),
            touched=flagged("touched") & own,
            orders=np.where(own & ~flagged("slab") & ~flagged("reserved"), order, 0).astype(np.uint32),
            managed=info.word(zone + info.offset("zone.managed_pages")),
        )


def reachable_pages(info: Vmcoreinfo, books: GuestPages, registers: npt.NDArray[np.int64]) -> Pages:
    """Return the pages in use or offline that a pointer leads to, from the kernel's image and the registers.

    Raises:
        BooksError: the guest's books make no sense.
    """
    memory = info.memory
    kinds = np.zeros(len(books.ram), np.uint8)
    held = memory.held()
    kinds[books.offline | books.used] = reach.SEALED
    kinds[books.used & held] = reach.IN_USE
    kinds[books.reserved & held] = reach.ROOT
    size = info["SIZE(page)"]
    mem_map = info.physical(info.word(info.symbol("mem_map"))) - memory.base
    first = info.word(info.symbol("min_low_pfn"))
    described = info.word(info.symbol("zone") + info.offset("zone.first_deferred_pfn")) - first
    if size <= 0 or size % _WORD or mem_map % _WORD or not 0 <= mem_map <= memory.size - described * size:
        raise BooksError("mem_map makes no sense")
    kinds[mem_map // PAGE_SIZE : -(-(mem_map + described * size) // PAGE_SIZE)] = reach.NOBODYS
    layout = np.zeros(reach.LAYOUT_WORDS, np.int64)
    layout[reach.RAM_ADDRESS] = memory.base + info["NUMBER(PAGE_OFFSET)"] - (1 << 64)
    layout[reach.MEM_MAP] = mem_map
    layout[reach.FIRST_PAGE] = first - memory.base // PAGE_SIZE
    layout[reach.DESCRIBED] = described
    layout[reach.STRUCT_SIZE] = size
    layout[reach.RAM_PAGE] = memory.base // PAGE_SIZE
    return reach.reach(memory.ram.view(np.int64), registers, kinds, books.orders, layout)


def not_in_image(info: Vmcoreinfo, symbols: Symbols) -> Pages:
    """Return the kernel's pages whose contents its image does not hold, as it says when it has taken one.

    An image in swap holds the pages of `orig_bm` (`guest/power/snapshot.c`); the platform's holds all pages
    but those in the balloon.

    Raises:
        BooksError: the guest's books make no sense.
    """
    books = GuestPages.read(info)
    saved, _ = snapshot_pages(info, symbols)
    return books.offline if saved is None else books.ram & ~saved


def snapshot_pages(info: Vmcoreinfo, symbols: Symbols) -> tuple[Pages | None, Pages | None]:
    """Return the pages in the kernel's own snapshot, and those that hold the copies; None while it has none.

    `guest/power/snapshot.c` has them in bitmaps.

    Raises:
        BooksError: the guest's books make no sense.
    """
    return _bitmap(info, symbols, "orig_bm"), _bitmap(info, symbols, "copy_bm")


def _bitmap(info: Vmcoreinfo, symbols: Symbols, name: str) -> Pages | None:
    """Return the pages in a bitmap that a variable of the kernel leads to, or None where that is null."""
    variable = symbols.address(name)
    if variable is None:
        return None
    memory = info.memory
    try:
        bitmap = int.from_bytes(memory.read(variable, _WORD), "little")
    except GuestMemoryError as error:
        raise BooksError(str(error)) from None
    if not bitmap:
        return None
    low, high = info.word(info.symbol("min_low_pfn")), info.word(info.symbol("max_pfn"))
    start = low - memory.base // PAGE_SIZE
    pages = np.zeros(memory.size // PAGE_SIZE, np.bool_)
    if not 0 <= start <= start + high - low <= len(pages):
        raise BooksError(f"page frames {low:#x} to {high:#x} are not RAM")
    bits = np.unpackbits(info.read(bitmap, (high - low + 7) // 8), bitorder="little")
    pages[start : start + high - low] = bits[: high - low]
    return pages


def _blocks(heads: Pages, order: npt.NDArray[np.uint32]) -> Pages:
    """Return the pages of the blocks of 2^order pages that begin at the heads."""
    first = np.flatnonzero(heads)
    sizes = np.int64(1) << np.minimum(order[first], 32).astype(np.int64)
    change = np.zeros(len(heads) + 1, np.int64)
    np.add.at(change, first, 1)
    np.subtract.at(change, np.minimum(first + sizes, len(heads)), 1)
    return np.cumsum(change[:-1]) > 0


def _regions(info: Vmcoreinfo, name: str) -> Pages:
    """Return the pages of a memblock_type."""
    memory = info.memory
    flags = np.zeros(memory.size // PAGE_SIZE, np.bool_)
    kind = info.symbol(name)
    count = int(info.read(kind + info.offset("memblock_type.cnt"), 4).view("<u4")[0])
    if count > _REGIONS_MAX:
        raise BooksError(f"{name} has {count} regions")
    at = kind + info.offset("memblock_type.regions")
    for _ in range(count):
        start = info.word(at + info.offset("memblock_region.base")) - memory.base
        end = start + info.word(at + info.offset("memblock_region.size"))
        if not 0 <= start <= end <= memory.size:
            raise BooksError(f"{name} leads out of RAM")
        flags[start // PAGE_SIZE : end // PAGE_SIZE] = True
        at += info["SIZE(memblock_region)"]
    return flags
