"""Watched pages: somebody is told of every access to them, at the price of nothing for all others.

Theory of operation. Every access to a page that is not in the TLB comes to `hv.cpu.mmu`, which looks at one
byte of `Watch.pages`. A watched page gets into the TLB for one access only, so that the next one comes again;
pages that nobody watches go their ordinary way. So only the TLB must be emptied when a page becomes watched
(`Hart.forget_translations`). Translated code is fetched through the TLB too, once a block.

The report comes before the access, with pc at the instruction and all registers as they are, so the watcher
can look at the whole hart; it may look, but not touch. Virtual time does not feel any of it, unless the
watcher stops the hart: then the block is divided there, as by a breakpoint.

A guest that clears an A bit without a fence may see the difference: the TLB is a little emptier than without
a watch.
"""

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hv.cpu import clock
from hv.cpu.internals import ENV_PC
from hv.cpu.intrinsics import call, load8, load64, native
from hv.cpu.leave import leave, stop
from hv.cpu.state import (
    BLOCK_END,
    CLOCK,
    CPU,
    ENV,
    MASK64,
    ON_ACCESS,
    RAM_BASE,
    RAM_SIZE,
    RESTORE_STATE,
    STOP_BREAK,
    WATCHED,
    HartState,
)

_PAGE_SHIFT = 12

_PASS, _REPORT_AGAIN, _STOP = range(3)
"""What becomes of an access: the page is ordinary from now on; the next one is reported too; it waits."""


@native
def watched(s: int, address: int) -> bool:
    """Whether the guest physical address is in a watched page."""
    table = load64(s + WATCHED)
    if table == 0:
        return False
    offset = address - load64(s + RAM_BASE)
    return 0 <= offset < load64(s + RAM_SIZE) and load8(table + (offset >> _PAGE_SHIFT)) != 0


@native
def access_watched(s: int, address: int, page: int, access: int, return_address: int) -> bool:
    """Report an access; return whether the next one is to be reported too.

    Does not return when the watcher stops the hart: it stands before the instruction then, which did not run.
    `return_address` is 0 for a fetch, before the block that it is for has counted.
    """
    now = load64(s + CLOCK)
    if return_address:
        call(load64(s + RESTORE_STATE), load64(s + CPU), return_address, 0)
        now -= load64(s + BLOCK_END) - load64(load64(s + ENV) + ENV_PC)
    verdict: int = call(load64(s + ON_ACCESS), address, page, access, now)
    if verdict == _STOP:
        stop(s, STOP_BREAK)
        leave(s, load64(load64(s + ENV) + ENV_PC), now)
    return verdict == _REPORT_AGAIN


class AccessKind(IntEnum):
    """What the guest does with a page; QEMU's MMUAccessType, and the hart's own reading of a page table."""

    LOAD = 0
    STORE = 1
    FETCH = 2
    WALK = 3


class Access(NamedTuple):
    """An access to a watched page, about to happen.

    Attributes:
        kind: what the guest does.
        address: virtual address (WALK: that whose translation needs the page table).
        page: number of the page in RAM.
        ns: virtual time.
    """

    kind: AccessKind
    address: int
    page: int
    ns: int


Watcher = Callable[[Access], bool]
"""Is told of an access; returns True to stop the hart before it."""

_CALLBACK = CFUNCTYPE(c_int64, c_int64, c_int64, c_int64, c_int64)


class Watch:
    """The watched pages of one hart.

    Args:
        state: the hart's state array.
        pages: for each page of RAM, not 0 where accesses are reported. The caller changes it in place, and
            calls `Hart.forget_translations` when a page has become watched.
        on_access: who is told. What it raises is a bug of the host: the hart stops, and `Hart.run` raises it.

    Attributes:
        failure: what `on_access` raised, until someone takes it.
    """

    def __init__(self, state: HartState, pages: npt.NDArray[np.uint8], on_access: Watcher) -> None:
        self.failure: BaseException | None = None
        self._pages = pages
        self._on_access = on_access
        self._base = state[RAM_BASE]
        self._callback = _CALLBACK(self._report)  # ctypes does not keep it alive
        state[ON_ACCESS] = c_void_p.from_buffer(self._callback).value or 0
        state[WATCHED] = pages.ctypes.data

    def _report(self, address: int, page: int, kind: int, now: int) -> int:
        index = page - self._base >> _PAGE_SHIFT
        try:
            access = Access(AccessKind(kind), address & MASK64, index, clock.to_ns(now))
            if self._on_access(access):
                return _STOP
        except BaseException as failure:
            self.failure = self.failure or failure
            return _STOP
        return _REPORT_AGAIN if self._pages[index] else _PASS
