"""sfence.vma of one page, which Unicorn takes for one of everything.

A kernel that changes one page fences one page: Linux does it 89,000 times in a boot. Unicorn empties the
whole TLB each time, and with it forgets where the block for an address is. It can do a page at a time too,
but does not hand the operands of the instruction to the function that fences. What it does is to raise an
illegal instruction in S-mode when mstatus.TVM is set. So TVM is always set, the exception comes here first
(`hv.cpu.trap`), and the guest sees its own TVM, which is kept beside (`hv.cpu.csr`).

The instruction is read where the page tables have it. If they have no fence there (the guest may just have
changed them, and the fence ran by the old ones), the CPU gets it back without TVM: Unicorn fences everything,
or raises the exception again, which is then the guest's. TVM is set again by the next trap.

The TLB has large pages in pieces of 4 KiB, of which one fence must drop all, whichever piece it names. Where
they are is known as one range, and a fence of a page in there is one of everything.

Source: privileged specification 4.2.1; QEMU's `helper_tlb_flush`, and `large_page_addr` for the range.
"""

from hv.cpu.internals import ENV_MSTATUS, ENV_PC, ENV_PRIV, ENV_X, TLB_COUNT
from hv.cpu.intrinsics import call, load64, native, store64
from hv.cpu.mmu import PAGE_MASK, instruction_bits
from hv.cpu.riscv import MSTATUS_TVM, S_MODE
from hv.cpu.state import (
    BLOCK_END,
    CLOCK,
    CPU,
    ENV,
    LARGE_BEGIN,
    LARGE_END,
    NOWHERE_BEGIN,
    NOWHERE_END,
    TLB_FLUSH,
    TLB_FLUSH_PAGE_BY_MMUIDX,
    TVM,
)

_SFENCE_VMA = 0x12000073
_SFENCE_VMA_MASK = 0xFE007FFF
_RS1_SHIFT = 15
_REGISTER_MASK = 31

_ALL_TLBS = (1 << TLB_COUNT) - 1


@native
def _resume(s: int, pc: int) -> None:
    """Go on at pc; from there on the block did not run, and counts when it does, as a block of its own."""
    store64(load64(s + ENV) + ENV_PC, pc)
    store64(s + CLOCK, load64(s + CLOCK) - (load64(s + BLOCK_END) - pc))


@native
def take_fence(s: int) -> bool:
    """Look at an illegal instruction at pc; return False if it is one, and not a fence that S-mode may do."""
    env = load64(s + ENV)
    pc = load64(env + ENV_PC)
    mstatus = load64(env + ENV_MSTATUS)
    if load64(env + ENV_PRIV) != S_MODE or load64(s + TVM) or not mstatus & MSTATUS_TVM:
        return False
    bits = instruction_bits(s, pc, S_MODE)
    if bits & _SFENCE_VMA_MASK != _SFENCE_VMA:
        store64(env + ENV_MSTATUS, mstatus & ~MSTATUS_TVM)
        _resume(s, pc)
        return True
    rs1 = bits >> _RS1_SHIFT & _REGISTER_MASK
    address = load64(env + ENV_X + 8 * rs1)
    if rs1 == 0 or load64(s + LARGE_BEGIN) <= address <= load64(s + LARGE_END):
        call(load64(s + TLB_FLUSH), load64(s + CPU))
        store64(s + LARGE_BEGIN, NOWHERE_BEGIN)
        store64(s + LARGE_END, NOWHERE_END)
    else:
        call(load64(s + TLB_FLUSH_PAGE_BY_MMUIDX), load64(s + CPU), address & PAGE_MASK, _ALL_TLBS)
    _resume(s, pc + 4)
    return True
