"""The state array of a hart: one int64 slot per item, shared by Python and the compiled hooks.

A slot's constant is its byte offset. Compiled code gets the address of the array from Unicorn as user data
(or finds it in the CPU's unused `sptbr`) and calls it S; Python goes through `HartState`.
"""

import itertools
from ctypes import addressof, c_char

_offsets = itertools.count(step=8)

# Where things are in this process. Set once.
ENV = next(_offsets)  # Unicorn's CPURISCVState
CPU = next(_offsets)  # its CPUState
ENGINE = next(_offsets)  # uc_engine
INTERRUPT_REQUEST = next(_offsets)  # CPUState.interrupt_request
HALTED = next(_offsets)  # CPUState.halted
RAM_BASE = next(_offsets)  # guest physical
RAM_SIZE = next(_offsets)  # bytes
RAM_HOST = next(_offsets)  # where the process has it
WINDOWS = next(_offsets)  # array of (first page, address behind the last page) of devices, guest physical
WINDOW_COUNT = next(_offsets)
PAGE_STATES = next(_offsets)  # array of one byte for each page of RAM (hv.cpu.code)

# Functions by address. Set once.
EMU_START = next(_offsets)
EMU_STOP = next(_offsets)
DO_INTERRUPT = next(_offsets)
EXEC_INTERRUPT = next(_offsets)
RAISE_EXCEPTION = next(_offsets)
PMP_HART_HAS_PRIVS = next(_offsets)
TLB_SET_PAGE = next(_offsets)
TLB_FLUSH = next(_offsets)
TLB_FLUSH_BY_MMUIDX = next(_offsets)
TLB_FLUSH_PAGE_BY_MMUIDX = next(_offsets)
TB_INVALIDATE_PHYS_RANGE = next(_offsets)
WRITE_SATP = next(_offsets)
BLOCK_SLOW_PATH = next(_offsets)

# Virtual time, in bytes of code (hv.cpu.clock).
CLOCK = next(_offsets)
DEADLINE = next(_offsets)  # from here on every block takes the slow path; 0 means at once
BUDGET = next(_offsets)  # end of the slice
MTIME_OFFSET = next(_offsets)  # ticks that the guest has set mtime ahead of the clock, modulo 2^64
MTIMECMP = next(_offsets)  # ticks; unsigned

# How the run stands.
STOP_REQUEST = next(_offsets)  # 1: stop before the next block
STOPPED = next(_offsets)  # why a hook has stopped the CPU (STOP_*), or 0
WAITING = next(_offsets)  # 1: inside wfi
BLOCK_END = next(_offsets)  # address behind the block that was entered last
BREAK_PASSED = next(_offsets)  # breakpoint that was reported and will be stepped over; -1: none

# Traps, for the judgement whether the guest is dead (hv.cpu.trap).
ORIGIN_CAUSE = next(_offsets)  # last trap that did not come from inside the handler of its own mode
ORIGIN_TVAL = next(_offsets)
ORIGIN_PC = next(_offsets)
ORIGIN_PRIV = next(_offsets)
NESTED_CAUSE = next(_offsets)  # last trap that did
NESTED_TVAL = next(_offsets)
NESTED_PC = next(_offsets)
NESTED_COUNT = next(_offsets)  # how often in a row it was the same one

# User pages that S-mode has in its TLB because SUM is set (hv.cpu.csr drops them when SUM falls).
USER_PAGES_MAX = 16
USER_PAGE_COUNT = next(_offsets)
USER_PAGES = next(_offsets)
for _ in range(USER_PAGES_MAX - 1):
    next(_offsets)

# When the virtual time began in which each TLB may not shrink, as a clock value (hv.cpu.mmu).
TLB_WINDOWS = next(_offsets)
for _ in range(3):
    next(_offsets)

# Pages that somebody watches (hv.cpu.watch).
WATCHED = next(_offsets)  # array of one byte for each page of RAM, not 0 where accesses are reported; or 0
ON_ACCESS = next(_offsets)  # who is told
DIRTY = next(_offsets)  # array of one byte for each page of RAM, set to 1 when the guest writes there; or 0
WALKED = next(_offsets)  # watched page that the walk of a page table read, guest physical, or 0
RESTORE_STATE = next(_offsets)  # functions by address
LOOP_EXIT_RESTORE = next(_offsets)

SIZE = next(_offsets)

STOP_BUDGET = 1
STOP_REQUESTED = 2
STOP_IDLE = 3
STOP_BREAK = 4
STOP_FAULT = 5
"""Why a run ended, as compiled code says it (`hv.cpu.hart.HartStop`)."""

NEVER = 1 << 62
"""A clock value that is never reached (at 2.56 bytes a nanosecond: 57 years)."""

MASK64 = (1 << 64) - 1


class HartState:
    """Python's view of the state array.

    Attributes:
        address: where the array is in this process; the compiled code's S.
    """

    def __init__(self) -> None:
        buffer = bytearray(SIZE)
        self.address = addressof(c_char.from_buffer(buffer))
        self._words = memoryview(buffer).cast("q")  # indexing an array of numpy's takes three times as long

    def __getitem__(self, slot: int) -> int:
        """The slot as a signed number."""
        return self._words[slot >> 3]

    def __setitem__(self, slot: int, value: int) -> None:
        """Store the low 64 bits of `value`."""
        self._words[slot >> 3] = (value & MASK64) - (value << 1 & 1 << 64)

    def unsigned(self, slot: int) -> int:
        """The slot as an unsigned number."""
        return self[slot] & MASK64
