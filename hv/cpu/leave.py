"""Leaving translated code: how a hook ends a run, or lets the CPU look for interrupts.

Unicorn leaves only where it looks: it calls `helper_check_exit_request` at the start of every block and after
every load and store. Nobody needs that: the block hook sees everything that can be due (`hv.cpu.block`) and
goes back to Unicorn's loop by itself, with the jump that the helper would use. So the checks are left out,
which makes a boot a fifth shorter: those inside a block by Unicorn's own switch, those at its start because
the helper is declared free of effects, and the translator drops a call whose result nobody uses.
"""

from ctypes import addressof, c_uint8

from hv.cpu.engine import Engine
from hv.cpu.internals import (
    ENGINE_NO_EXIT_REQUEST,
    ENV_PC,
    EXIT_CHECK,
    TCG_CALL_NO_RWG_SE,
    HelperInfo,
    helper_slot,
    load,
    store,
)
from hv.cpu.intrinsics import call, load64, native, store64
from hv.cpu.state import CLOCK, CPU, EMU_STOP, ENGINE, ENV, LOOP_EXIT_RESTORE, STOPPED


def drop_exit_checks(engine: Engine) -> HelperInfo:
    """Have no exit checks translated from now on.

    Returns the engine's new entry for the helper, to be kept for as long as the engine; Unicorn's own is
    constant data that all engines of the process share.
    """
    c_uint8.from_address(engine.handle + ENGINE_NO_EXIT_REQUEST).value = 1
    slot = helper_slot(engine, EXIT_CHECK)
    info = HelperInfo.from_buffer_copy(HelperInfo.from_address(load(slot)))
    info.flags |= TCG_CALL_NO_RWG_SE
    store(slot, addressof(info))
    return info


@native
def stop(s: int, reason: int) -> None:
    """End the run as soon as the CPU is back in Unicorn's loop; `reason` is one of STOP_*."""
    store64(s + STOPPED, reason)
    call(load64(s + EMU_STOP), load64(s + ENGINE))


@native
def leave(s: int, pc: int, now: int) -> None:
    """Go back to Unicorn's loop, as if nothing from pc on had run; does not return, and drops C's frames."""
    store64(s + CLOCK, now)
    store64(load64(s + ENV) + ENV_PC, pc)
    call(load64(s + LOOP_EXIT_RESTORE), load64(s + CPU), 0)
