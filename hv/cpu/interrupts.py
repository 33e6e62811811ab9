"""Which interrupt the hart takes, and when it must stop what it does for one."""

from hv.cpu.internals import CPU_ENV, ENV_MIDELEG, ENV_MIE, ENV_MIP, ENV_MSTATUS, ENV_PC, ENV_PRIV, ENV_SPTBR
from hv.cpu.intrinsics import boolean, call, callback, i32, i64, int64, load64, native, store64
from hv.cpu.riscv import (
    M_MODE,
    MEIP,
    MSIP,
    MSTATUS_MIE,
    MSTATUS_SIE,
    MTIP,
    S_MODE,
    SEIP,
    SSIP,
    STIP,
)
from hv.cpu.state import ENV, EXEC_INTERRUPT
from hv.cpu.trap import note_trap


@native
def enabled(s: int) -> int:
    """Return the interrupts that end a wfi: pending and enabled, whatever the global enables say."""
    env = load64(s + ENV)
    return load64(env + ENV_MIP) & load64(env + ENV_MIE)


@native
def deliverable(s: int) -> int:
    """Return the interrupts that the hart would take now; those for M-mode go before all others."""
    env = load64(s + ENV)
    pending = load64(env + ENV_MIP) & load64(env + ENV_MIE)
    if pending == 0:
        return 0
    mode = load64(env + ENV_PRIV)
    mstatus = load64(env + ENV_MSTATUS)
    delegated = load64(env + ENV_MIDELEG)
    machine = pending & ~delegated
    if machine != 0 and (mode < M_MODE or mstatus & MSTATUS_MIE):
        return machine
    if mode < S_MODE or (mode == S_MODE and mstatus & MSTATUS_SIE):
        return pending & delegated
    return 0


@native
def first(pending: int) -> int:
    """Return the number of the interrupt that goes first (privileged spec 3.1.9), or -1."""
    for number in (MEIP, MSIP, MTIP, SEIP, SSIP, STIP):
        if pending & 1 << number:
            return number
    return -1


@callback(boolean(i64, i32))
def exec_interrupt(cpu: int, request: int) -> bool:
    """Stand in for CPUClass.cpu_exec_interrupt, which takes the lowest number: show it only the right one."""
    env = cpu + CPU_ENV
    s = load64(env + ENV_SPTBR)
    number = first(deliverable(s))
    if number < 0:
        return False
    pc = load64(env + ENV_PC)
    mode = load64(env + ENV_PRIV)
    mstatus = load64(env + ENV_MSTATUS)
    mip = load64(env + ENV_MIP)
    store64(env + ENV_MIP, 1 << number)
    call(load64(s + EXEC_INTERRUPT), cpu, int64(request))
    store64(env + ENV_MIP, mip)
    note_trap(s, pc, mode, mstatus)
    return True
