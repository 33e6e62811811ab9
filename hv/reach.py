"""Which pages of a guest somebody still knows of: a mark-and-sweep over its memory.

A page that is in use and that no pointer leads to any more is leaked, whoever lost it. The search is that of
Linux's kmemleak: it begins at the kernel's own image and the registers, takes every word for a pointer that
looks like one, and goes on in what it finds. A pointer to a page is

- a virtual address in the linear map: the page is searched too, and with the first page of a block all of it;
- an address in mem_map, which stands for the page that it describes, as in lists of pages. The struct page
  itself is searched for the next one;
- an entry of a page table that leads to another table.

mem_map as a whole is no place to begin at, or the pages of any list would keep each other. A word that only
looks like a pointer hides a leak; it never makes one up.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Words = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]
Orders = npt.NDArray[np.uint32]
Found = npt.NDArray[np.bool_]

_PAGE_SHIFT = 12
_PAGE_WORDS = 512
_MAX_ORDER = 20

# What a page is to the search.
NOBODYS = 0  # free, no RAM of the kernel's, or mem_map: a pointer to it means nothing
SEALED = 1  # in the balloon or never written: not to be looked into, but its struct page is
IN_USE = 2
ROOT = 3  # searched from the start

# The layout of the guest's memory, as words of a vector.
RAM_ADDRESS = 0  # virtual address of the first byte of RAM in the linear map
MEM_MAP = 1  # offset of mem_map in RAM, bytes
FIRST_PAGE = 2  # page that mem_map's first entry describes
DESCRIBED = 3  # pages that have a struct page
STRUCT_SIZE = 4  # bytes
RAM_PAGE = 5  # page frame number of the first page of RAM
LAYOUT_WORDS = 6

_PTE_VALID_ONLY = 1
_PTE_FLAGS = 0x3FF

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _kernel(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    return cast("Callable[_Arguments, _Result]", njit(cache=True, nogil=True)(function))


@_kernel
def _page_of(word: int, layout: Words, pages: int) -> int:
    """Return the page that a word leads to, or -1."""
    offset = word - layout[RAM_ADDRESS]
    size = pages << _PAGE_SHIFT
    if 0 <= offset < size:
        entry = offset - layout[MEM_MAP]
        if 0 <= entry < layout[DESCRIBED] * layout[STRUCT_SIZE]:
            return int(layout[FIRST_PAGE] + entry // layout[STRUCT_SIZE])
        return int(offset >> _PAGE_SHIFT)
    if word & _PTE_FLAGS == _PTE_VALID_ONLY:
        page = (word >> 10) - layout[RAM_PAGE]
        if 0 <= page < pages:
            return int(page)
    return -1


@_kernel
def _follow(
    words: Words, found: Found, stack: Words, depth: int, kinds: Kinds, orders: Orders, layout: Words
) -> int:
    """Find what some words lead to, and put it on the stack; return how many pages are on it then."""
    pages = kinds.shape[0]
    for word in words:
        target = _page_of(word, layout, pages)
        if target < 0 or found[target]:
            continue
        kind = kinds[target]
        if kind == NOBODYS:
            continue
        count = 1 << min(orders[target], _MAX_ORDER)
        for page in range(target, min(target + count, pages)):
            if not found[page] and kinds[page] != NOBODYS:
                found[page] = True
                stack[depth] = page
                depth += 1
    return depth


@_kernel
def reach(words: Words, registers: Words, kinds: Kinds, orders: Orders, layout: Words) -> Found:
    """Return the pages that are found.

    Args:
        words: RAM.
        registers: more words to begin with.
        kinds: what each page is.
        orders: log2 of the pages of the block that a page in use begins, 0 for others.
        layout: where things are; it must have been checked.
    """
    pages = kinds.shape[0]
    found = np.zeros(pages, np.bool_)
    stack = np.zeros(pages, np.int64)
    depth = _follow(registers, found, stack, 0, kinds, orders, layout)
    for page in range(pages):
        if kinds[page] == ROOT and not found[page]:
            found[page] = True
            stack[depth] = page
            depth += 1
    struct_words = layout[STRUCT_SIZE] >> 3
    while depth > 0:
        depth -= 1
        page = stack[depth]
        if kinds[page] >= IN_USE:
            content = words[page * _PAGE_WORDS : (page + 1) * _PAGE_WORDS]
            depth = _follow(content, found, stack, depth, kinds, orders, layout)
        described = page - layout[FIRST_PAGE]
        if 0 <= described < layout[DESCRIBED]:
            struct = (layout[MEM_MAP] >> 3) + described * struct_words
            content = words[struct : struct + struct_words]
            depth = _follow(content, found, stack, depth, kinds, orders, layout)
    return found
