"""Translated code, and the stores that change what it came from.

Unicorn notes a store to a page with translated code only while the page is new in the TLB, only by the very
address that the code runs at, and drops only the blocks under that one store. What is written then through
another mapping of the page, or to its next function, runs stale.

Here a page of RAM is at any time open to stores or holds translated code, never both. The first store to a
page of code drops all its blocks and opens it; the first block from an open page closes it again, and empties
the TLB, which alone remembers by which addresses it was open. Both are rare: text is written once, then run.
"""

from hv.cpu.intrinsics import call, load8, load64, native, store8
from hv.cpu.state import CPU, ENGINE, PAGE_STATES, RAM_BASE, TB_INVALIDATE_PHYS_RANGE, TLB_FLUSH

PAGE_SHIFT = 12

OPEN = 1
CODE = 2
"""A page's state; 0 until it is stored to or run."""


@native
def open_to_stores(s: int, page: int, storing: bool) -> bool:
    """Whether the TLB may let stores to a guest physical page of RAM pass; always when one is coming."""
    offset = page - load64(s + RAM_BASE)
    state = load64(s + PAGE_STATES) + (offset >> PAGE_SHIFT)
    if storing:
        if load8(state) == CODE:
            end = offset + (1 << PAGE_SHIFT)
            call(load64(s + TB_INVALIDATE_PHYS_RANGE), load64(s + ENGINE), offset, end)
        store8(state, OPEN)
    return load8(state) == OPEN


@native
def holds_code(s: int, page: int) -> None:
    """A block was translated from a guest physical page of RAM."""
    state = load64(s + PAGE_STATES) + (page - load64(s + RAM_BASE) >> PAGE_SHIFT)
    if load8(state) == OPEN:
        call(load64(s + TLB_FLUSH), load64(s + CPU))
    store8(state, CODE)
