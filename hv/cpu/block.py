"""The hook of every block: counts virtual time, and stops the hart or lets an interrupt in when that is due.

It runs before each block, so it is the most frequent code of all: the fast path is a handful of instructions,
written as LLVM IR because a numba callback costs twice as much (its calling convention), and only at a
deadline it calls the slow path below, compiled by numba.

The slow path leaves the translated code for a stop or an interrupt precisely here: the block has not run
then, and what it counted is taken back. It makes way only for an interrupt that the CPU will take at once, or
it would come back here for ever.
"""

from functools import cache

import llvmlite.binding as llvm

from hv.cpu.clock import update_timer
from hv.cpu.interrupts import deliverable
from hv.cpu.intrinsics import callback, i64, int64, load64, store64, u32, void
from hv.cpu.leave import leave, stop
from hv.cpu.state import (
    BLOCK_END,
    BLOCK_SLOW_PATH,
    BUDGET,
    CLOCK,
    DEADLINE,
    STOP_BUDGET,
    STOP_REQUEST,
    STOP_REQUESTED,
)

_FAST_PATH = f"""
define void @block_hook(i64 %engine, i64 %address, i32 %size, i64 %s) {{
  %state = inttoptr i64 %s to ptr
  %clock = getelementptr i8, ptr %state, i64 {CLOCK}
  %deadline = getelementptr i8, ptr %state, i64 {DEADLINE}
  %block_end = getelementptr i8, ptr %state, i64 {BLOCK_END}
  %bytes = zext i32 %size to i64
  %end = add i64 %address, %bytes
  store i64 %end, ptr %block_end
  %now = load i64, ptr %clock
  %after = add i64 %now, %bytes
  store i64 %after, ptr %clock
  %due = load i64, ptr %deadline
  %late = icmp sge i64 %now, %due
  br i1 %late, label %slow, label %done
slow:
  %pointer = getelementptr i8, ptr %state, i64 {BLOCK_SLOW_PATH}
  %function = load ptr, ptr %pointer
  tail call void %function(i64 %engine, i64 %address, i32 %size, i64 %s)
  ret void
done:
  ret void
}}
"""


@callback(void(i64, i64, u32, i64))
def slow_path(_engine: int, address: int, size: int, s: int) -> None:
    """Something is due before the block that starts now."""
    now = load64(s + CLOCK) - int64(size)
    update_timer(s, now)
    if load64(s + STOP_REQUEST):
        store64(s + STOP_REQUEST, 0)
        stop(s, STOP_REQUESTED)
    elif now >= load64(s + BUDGET):
        stop(s, STOP_BUDGET)
    elif not deliverable(s):
        return
    leave(s, address, now)


@cache
def _fast_path() -> tuple[llvm.ExecutionEngine, int]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    module = llvm.parse_assembly(_FAST_PATH)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine, engine.get_function_address("block_hook")


def block_hook_address() -> int:
    """Return the address of the UC_HOOK_BLOCK function; it is compiled once a process."""
    return _fast_path()[1]
