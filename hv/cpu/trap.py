"""Exceptions: entry into the guest's trap handler, and the judgement that a guest is dead.

Unicorn reports an exception to a hook and goes on; the hook calls QEMU's own trap entry (delegation, mstatus,
cause, epc, tval, vector). Three things it does not do right: pc was moved 4 bytes on by then, the tval of an
illegal instruction stays 0, and a breakpoint comes in through another hook.

A guest is dead when its trap handler cannot run: it takes the same exception at the same place again and
again without having left the handler by mret or sret. (Being in a handler shows in mstatus: trap entry sets
MPP or SPP to the mode that was left, and the return clears it.) Such a loop would never end, and when the
vector itself cannot be fetched it does not even use up virtual time.
"""

from hv.cpu.internals import ENV_MCAUSE, ENV_MSTATUS, ENV_MTVAL, ENV_PC, ENV_PRIV, ENV_SCAUSE, ENV_STVAL
from hv.cpu.intrinsics import boolean, call, callback, i64, int64, load64, native, store64, u32, void
from hv.cpu.leave import stop
from hv.cpu.mmu import instruction_bits
from hv.cpu.riscv import (
    BREAKPOINT,
    ILLEGAL_INSTRUCTION,
    M_MODE,
    MSTATUS_MPP_SHIFT,
    MSTATUS_SPP,
    S_MODE,
)
from hv.cpu.state import (
    CPU,
    DO_INTERRUPT,
    ENV,
    NESTED_CAUSE,
    NESTED_COUNT,
    NESTED_PC,
    NESTED_TVAL,
    ORIGIN_CAUSE,
    ORIGIN_PC,
    ORIGIN_PRIV,
    ORIGIN_TVAL,
    STOP_FAULT,
)

DEAD_AFTER = 100
"""How many times in a row a handler may fail at one place."""


@native
def note_trap(s: int, pc: int, mode: int, mstatus: int) -> None:
    """Look at a trap that was just entered; pc, mode and mstatus are those before it."""
    env = load64(s + ENV)
    entered = load64(env + ENV_PRIV)
    cause = load64(env + (ENV_SCAUSE if entered == S_MODE else ENV_MCAUSE))
    tval = load64(env + (ENV_STVAL if entered == S_MODE else ENV_MTVAL))
    inside = mstatus & MSTATUS_SPP != 0 if mode == S_MODE else mstatus >> MSTATUS_MPP_SHIFT & 3 == M_MODE
    if entered != mode or not inside:
        store64(s + ORIGIN_CAUSE, cause)
        store64(s + ORIGIN_TVAL, tval)
        store64(s + ORIGIN_PC, pc)
        store64(s + ORIGIN_PRIV, mode)
        store64(s + NESTED_COUNT, 0)
    elif load64(s + NESTED_PC) == pc and load64(s + NESTED_CAUSE) == cause:
        store64(s + NESTED_COUNT, load64(s + NESTED_COUNT) + 1)
    else:
        store64(s + NESTED_COUNT, 1)
    store64(s + NESTED_CAUSE, cause)
    store64(s + NESTED_TVAL, tval)
    store64(s + NESTED_PC, pc)
    if load64(s + NESTED_COUNT) >= DEAD_AFTER:
        stop(s, STOP_FAULT)


@native
def take_exception(s: int, cause: int) -> None:
    """Enter the guest's handler for an exception of the instruction at pc."""
    env = load64(s + ENV)
    pc = load64(env + ENV_PC)
    mode = load64(env + ENV_PRIV)
    mstatus = load64(env + ENV_MSTATUS)
    call(load64(s + DO_INTERRUPT), load64(s + CPU))
    if cause == ILLEGAL_INSTRUCTION:
        tval = instruction_bits(s, pc, mode)
        store64(env + (ENV_STVAL if load64(env + ENV_PRIV) == S_MODE else ENV_MTVAL), tval)
    note_trap(s, pc, mode, mstatus)


@callback(void(i64, u32, i64))
def exception_hook(_engine: int, cause: int, s: int) -> None:
    """UC_HOOK_INTR: every exception but ebreak; Unicorn has added 4 to pc."""
    env = load64(s + ENV)
    store64(env + ENV_PC, load64(env + ENV_PC) - 4)
    take_exception(s, int64(cause))


@callback(boolean(i64, i64))
def breakpoint_hook(_engine: int, s: int) -> bool:
    """UC_HOOK_INSN_INVALID: ebreak, with pc at it."""
    take_exception(s, BREAKPOINT)
    return True
