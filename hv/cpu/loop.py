"""The run loop: from one stop to the next, with the waiting in between.

`wfi` makes Unicorn return. The hart then waits: time jumps to the timer's deadline, or the run ends, and the
next run takes up the waiting. So it makes no difference where a run is cut.
"""

from hv.cpu.clock import update_timer
from hv.cpu.internals import ENV_MIE, ENV_PC
from hv.cpu.interrupts import enabled
from hv.cpu.intrinsics import call, callback, i64, load32, load64, native, store64, u32, void
from hv.cpu.leave import leave, stop
from hv.cpu.riscv import MTIP
from hv.cpu.state import (
    BLOCK_END,
    BREAK_PASSED,
    BUDGET,
    CLOCK,
    EMU_START,
    ENGINE,
    ENV,
    HALTED,
    NEVER,
    STOP_BREAK,
    STOP_BUDGET,
    STOP_IDLE,
    STOP_REQUEST,
    STOP_REQUESTED,
    STOPPED,
    WAITING,
)

ERR_OK = 0
ERR_EXCEPTION = 21
"""uc_err: emu_start returns the second one, without meaning it, some time after an ebreak."""


@native
def wait(s: int) -> int:
    """Pass the time in wfi; return 0 when it is over, or why the run ends."""
    fires = update_timer(s, load64(s + CLOCK))
    if enabled(s) == 0:
        if fires == NEVER or not load64(load64(s + ENV) + ENV_MIE) & 1 << MTIP:
            return STOP_IDLE
        if fires > load64(s + BUDGET):
            store64(s + CLOCK, max(load64(s + CLOCK), load64(s + BUDGET)))
            return STOP_BUDGET
        store64(s + CLOCK, fires)
        update_timer(s, fires)
    store64(s + WAITING, 0)
    return 0


@native
def run(s: int) -> int:
    """Run until something ends it; return a STOP_* number, or a negative uc_err when Unicorn failed."""
    store64(s + STOPPED, 0)
    update_timer(s, load64(s + CLOCK))
    while True:
        if load64(s + STOP_REQUEST):
            store64(s + STOP_REQUEST, 0)
            return STOP_REQUESTED
        if load64(s + WAITING):
            reason = wait(s)
            if reason:
                return reason
        pc = load64(load64(s + ENV) + ENV_PC)
        error = call(load64(s + EMU_START), load64(s + ENGINE), pc, 0, 0, 0) & 0xFFFF_FFFF
        if load64(s + STOPPED):
            return load64(s + STOPPED)
        if error != ERR_OK and error != ERR_EXCEPTION:
            return -error
        if load32(load64(s + HALTED)):
            store64(s + WAITING, 1)


@callback(void(i64, i64, u32, i64))
def breakpoint_hit(_engine: int, address: int, _size: int, s: int) -> None:
    """UC_HOOK_CODE at a breakpoint: stop before the instruction, unless that was reported already.

    The block has counted as a whole; what lies behind the breakpoint did not run.
    """
    if load64(s + BREAK_PASSED) == address:
        store64(s + BREAK_PASSED, -1)
        return
    store64(s + BREAK_PASSED, address)
    stop(s, STOP_BREAK)
    leave(s, address, load64(s + CLOCK) - (load64(s + BLOCK_END) - address))
