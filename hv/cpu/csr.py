"""CSRs that Unicorn does not do, or not as the hart needs them.

- cycle, time, instret: Unicorn has no time, and its cycle is the host's; ours is virtual (hv.cpu.clock).
  mcounteren and scounteren decide who may read them.
- sstatus: Unicorn drops the whole TLB whenever SUM changes, which a kernel does around every copy from or to
  a user. Here a falling SUM drops the user pages that were seen meanwhile.
- pmpcfg2, pmpaddr8..15: Unicorn takes the addresses but not the configuration; here they are read-only zero,
  as in a hart with 8 regions.
- satp: modes other than Bare and Sv39 are refused (the write has no effect), and a change of mode takes
  effect at once.

The table of CSRs belongs to the process, so it is changed once, and the hart is found through an unused field
of its CPU. An engine that is not one of our harts gets an illegal instruction from these CSRs.
"""

from ctypes import byref
from functools import cache

from hv.cpu.clock import BYTES_PER_CYCLE_SHIFT, mtime
from hv.cpu.internals import (
    ENV_MCOUNTEREN,
    ENV_MSTATUS,
    ENV_PRIV,
    ENV_SATP,
    ENV_SCOUNTEREN,
    ENV_SPTBR,
    CsrOperations,
    function,
)
from hv.cpu.intrinsics import Callback, call, callback, i32, i64, int64, load64, native, store64
from hv.cpu.riscv import (
    CSR_PMPCFG2,
    CSR_SATP,
    CSR_SSTATUS,
    CSRS,
    M_MODE,
    MSTATUS_FS,
    MSTATUS_MXR,
    MSTATUS_SD,
    MSTATUS_SIE,
    MSTATUS_SPIE,
    MSTATUS_SPP,
    MSTATUS_SUM,
    S_MODE,
    SATP_BARE,
    SATP_SV39,
    U_MODE,
    UNUSED_PMPADDRS,
)
from hv.cpu.state import (
    CLOCK,
    CPU,
    TLB_FLUSH,
    TLB_FLUSH_BY_MMUIDX,
    TLB_FLUSH_PAGE_BY_MMUIDX,
    USER_PAGE_COUNT,
    USER_PAGES,
    USER_PAGES_MAX,
    WRITE_SATP,
)

DONE = 0
ILLEGAL = -1
"""What a CSR function returns."""

SSTATUS_WRITABLE = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR


@callback(i32(i64, i32))
def permit(env: int, _number: int) -> int:
    """Machine-level counters exist."""
    return DONE if load64(env + ENV_SPTBR) else ILLEGAL


@callback(i32(i64, i32))
def permit_counter(env: int, number: int) -> int:
    """A mode reads a counter if those above it let it (privileged spec 3.1.11 and 4.1.5)."""
    if load64(env + ENV_SPTBR) == 0:
        return ILLEGAL
    bit = 1 << (int64(number) & 31)
    mode = load64(env + ENV_PRIV)
    if mode < M_MODE and not load64(env + ENV_MCOUNTEREN) & bit:
        return ILLEGAL
    if mode == U_MODE and not load64(env + ENV_SCOUNTEREN) & bit:
        return ILLEGAL
    return DONE


@callback(i32(i64, i32, i64))
def read_time(env: int, _number: int, value: int) -> int:
    """Read mtime."""
    s = load64(env + ENV_SPTBR)
    store64(value, mtime(s, load64(s + CLOCK)))
    return DONE


@callback(i32(i64, i32, i64))
def read_cycle(env: int, _number: int, value: int) -> int:
    """Cycles, and instructions too: as many as the clock has words of code."""
    store64(value, load64(load64(env + ENV_SPTBR) + CLOCK) >> BYTES_PER_CYCLE_SHIFT)
    return DONE


@callback(i32(i64, i32, i64))
def read_zero(_env: int, _number: int, value: int) -> int:
    """Read 0."""
    store64(value, 0)
    return DONE


@callback(i32(i64, i32, i64))
def ignore_write(_env: int, _number: int, _value: int) -> int:
    """Change nothing."""
    return DONE


@native
def drop_user_pages(s: int) -> None:
    """Drop what S-mode's TLB holds of U-mode's pages."""
    count = load64(s + USER_PAGE_COUNT)
    if count > USER_PAGES_MAX:
        call(load64(s + TLB_FLUSH_BY_MMUIDX), load64(s + CPU), 1 << S_MODE)
    else:
        for i in range(count):
            page = load64(s + USER_PAGES + 8 * i)
            call(load64(s + TLB_FLUSH_PAGE_BY_MMUIDX), load64(s + CPU), page, 1 << S_MODE)
    store64(s + USER_PAGE_COUNT, 0)


@callback(i32(i64, i32, i64))
def write_sstatus(env: int, _number: int, value: int) -> int:
    """Write S-mode's part of mstatus."""
    s = load64(env + ENV_SPTBR)
    if s == 0:
        return ILLEGAL
    before = load64(env + ENV_MSTATUS)
    after = before & ~(SSTATUS_WRITABLE | MSTATUS_SD) | value & SSTATUS_WRITABLE
    if after & MSTATUS_FS == MSTATUS_FS:
        after |= MSTATUS_SD
    store64(env + ENV_MSTATUS, after)
    changed = before ^ after
    if changed & MSTATUS_MXR or (changed & MSTATUS_SUM and load64(env + ENV_PRIV) == M_MODE):
        call(load64(s + TLB_FLUSH), load64(s + CPU))
        store64(s + USER_PAGE_COUNT, 0)
    elif changed & before & MSTATUS_SUM:
        drop_user_pages(s)
    return DONE


@callback(i32(i64, i32, i64))
def write_satp(env: int, number: int, value: int) -> int:
    """Write satp (privileged spec 4.1.11)."""
    s = load64(env + ENV_SPTBR)
    if s == 0:
        return ILLEGAL
    mode = value >> 60 & 15
    if mode not in (SATP_BARE, SATP_SV39):
        return DONE
    before = load64(env + ENV_SATP)
    result: int = call(load64(s + WRITE_SATP), env, int64(number), value)
    if (before ^ load64(env + ENV_SATP)) >> 60 & 15:
        call(load64(s + TLB_FLUSH), load64(s + CPU))
    return result


_OPERATIONS: dict[int, dict[str, Callback]] = {
    CSRS["cycle"]: {"predicate": permit_counter, "read": read_cycle},
    CSRS["time"]: {"predicate": permit_counter, "read": read_time},
    CSRS["instret"]: {"predicate": permit_counter, "read": read_cycle},
    CSRS["mcycle"]: {"predicate": permit, "read": read_cycle},
    CSRS["minstret"]: {"predicate": permit, "read": read_cycle},
    **{number: {"read": read_zero, "write": ignore_write} for number in (CSR_PMPCFG2, *UNUSED_PMPADDRS)},
    CSR_SSTATUS: {"write": write_sstatus},
    CSR_SATP: {"write": write_satp},
}
"""What replaces Unicorn's operations, by CSR; what is not named stays."""


@cache
def install() -> int:
    """Put our operations into the process's table once; return the address of Unicorn's own write of satp."""
    stock_write_satp = 0
    for number, ours in _OPERATIONS.items():
        operations = CsrOperations()
        function("riscv_get_csr_ops")(number, byref(operations))
        if number == CSR_SATP:
            stock_write_satp = operations.write
        for name, replacement in ours.items():
            setattr(operations, name, replacement.address)
        function("riscv_set_csr_ops")(number, byref(operations))
    return stock_write_satp
