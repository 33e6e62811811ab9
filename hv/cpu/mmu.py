"""Address translation: Sv39 and PMP, filling Unicorn's TLB.

This stands in for QEMU's own tlb_fill, for four reasons. Unicorn reports an access to nothing with its
physical address, but stval and mtval are virtual: here such an access never gets into the TLB. QEMU's fill
checks PMP for the access at hand and then lets every other kind pass. A TLB entry with X never leaves
Unicorn's slow path for stores, and in bare mode all RAM is executable: here an entry is for data or for code,
never both. And a page table outside RAM is an access fault.

The TLB is only a cache, but a guest that clears an A bit without a fence sees whether the page was still in
it. QEMU sizes its TLBs by the host's clock; here virtual time decides, so that the host's speed makes no
difference.
"""

from hv.cpu.clock import BYTES_PER_TICK
from hv.cpu.code import holds_code, open_to_stores
from hv.cpu.internals import (
    CPU_ENV,
    CPU_TLB_STRIDE,
    CPU_TLB_WINDOW,
    ENV_BADADDR,
    ENV_MSTATUS,
    ENV_PRIV,
    ENV_SATP,
    ENV_SPTBR,
    TB_PC,
    TB_SIZE,
)
from hv.cpu.intrinsics import (
    boolean,
    call,
    callback,
    i32,
    i64,
    int64,
    load8,
    load16,
    load64,
    native,
    store8,
    store64,
    void,
)
from hv.cpu.riscv import (
    FETCH_ACCESS_FAULT,
    FETCH_PAGE_FAULT,
    LOAD_ACCESS_FAULT,
    LOAD_PAGE_FAULT,
    M_MODE,
    MSTATUS_MPP_SHIFT,
    MSTATUS_MPRV,
    MSTATUS_MXR,
    MSTATUS_SUM,
    PTE_A,
    PTE_D,
    PTE_R,
    PTE_U,
    PTE_V,
    PTE_W,
    PTE_X,
    S_MODE,
    SATP_BARE,
    STORE_ACCESS_FAULT,
    STORE_PAGE_FAULT,
    U_MODE,
)
from hv.cpu.state import (
    CLOCK,
    CPU,
    DIRTY,
    ENV,
    NEVER,
    PMP_HART_HAS_PRIVS,
    RAISE_EXCEPTION,
    RAM_BASE,
    RAM_HOST,
    RAM_SIZE,
    TLB_SET_PAGE,
    TLB_WINDOWS,
    USER_PAGE_COUNT,
    USER_PAGES,
    USER_PAGES_MAX,
    WALKED,
    WINDOW_COUNT,
    WINDOWS,
)
from hv.cpu.watch import access_watched, watched

TLB_WINDOW = 1_000_000 * BYTES_PER_TICK
"""Clock bytes for which a TLB does not shrink: 100 ms of virtual time."""

PAGE_SIZE = 4096
PAGE_MASK = -PAGE_SIZE

LOAD = 0
STORE = 1
FETCH = 2
"""QEMU's MMUAccessType. 1 << access is the right that it needs, in PMP's and in QEMU's TLB's numbering."""

WALK = 3
"""A read of a page table by the hart itself; for reports only."""

READ = 1 << LOAD
WRITE = 1 << STORE
EXECUTE = 1 << FETCH

USER = 8
"""Beside the rights of a translated page: it is U-mode's."""

PHYSICAL_BITS = 56
SV39_LEVELS = 3
_SV39_UNUSED_BITS = 64 - 39
_PPN_MASK = (1 << 44) - 1


@native
def page_fault(access: int) -> int:
    """Return the cause of a translation that the page table does not allow."""
    return FETCH_PAGE_FAULT if access == FETCH else STORE_PAGE_FAULT if access == STORE else LOAD_PAGE_FAULT


@native
def access_fault(access: int) -> int:
    """Return the cause of an access that no memory answers or PMP does not allow."""
    return (
        FETCH_ACCESS_FAULT
        if access == FETCH
        else STORE_ACCESS_FAULT
        if access == STORE
        else LOAD_ACCESS_FAULT
    )


@native
def in_ram(s: int, address: int, size: int) -> bool:
    """Whether all of the guest physical range is RAM."""
    return 0 <= address - load64(s + RAM_BASE) <= load64(s + RAM_SIZE) - size


@native
def host_address(s: int, address: int) -> int:
    """Return where this process has a guest physical address that is in RAM."""
    return address - load64(s + RAM_BASE) + load64(s + RAM_HOST)


@native
def note_write(s: int, address: int) -> None:
    """Enter a write to a guest physical address into the log of writes, if there is one and it is RAM."""
    log = load64(s + DIRTY)
    if log and in_ram(s, address, 1):
        store8(log + (address - load64(s + RAM_BASE)) // PAGE_SIZE, 1)


@native
def _noted(s: int, page: int) -> bool:
    """Whether stores to the page need not come here: nobody logs them, or the page is in the log already."""
    log = load64(s + DIRTY)
    return (
        log == 0
        or not in_ram(s, page, PAGE_SIZE)
        or load8(log + (page - load64(s + RAM_BASE)) // PAGE_SIZE) != 0
    )


@native
def answered(s: int, page: int, access: int) -> bool:
    """Whether something is at the guest physical page: RAM, or for data a device."""
    if in_ram(s, page, PAGE_SIZE):
        return True
    windows = load64(s + WINDOWS)
    for i in range(load64(s + WINDOW_COUNT)):
        if load64(windows + 16 * i) <= page < load64(windows + 16 * i + 8):
            return access != FETCH
    return False


@native
def allowed_by_pmp(s: int, address: int, size: int, right: int, mode: int) -> bool:
    """Whether PMP lets `mode` do this with all of the guest physical range."""
    return call(load64(s + PMP_HART_HAS_PRIVS), load64(s + ENV), address, size, right, mode) & 1 != 0


@native
def pte_allows(pte: int, access: int, mode: int, mstatus: int) -> bool:
    """Whether a leaf's permission bits let `mode` access the page (privileged spec 4.3.2, steps 5 and 6)."""
    if pte & PTE_U:
        if mode != U_MODE and (access == FETCH or not mstatus & MSTATUS_SUM):
            return False
    elif mode == U_MODE:
        return False
    if access == FETCH:
        return pte & PTE_X != 0
    if access == STORE:
        return pte & PTE_W != 0
    return pte & PTE_R != 0 or (pte & PTE_X != 0 and mstatus & MSTATUS_MXR != 0)


@native
def walk(s: int, address: int, access: int, mode: int) -> int:
    """Translate a virtual address.

    Returns the physical page with the rights that the page table grants (READ | WRITE | EXECUTE, and USER) in
    its low bits, or the negative cause of a fault. Sets the A and D bits as the access needs. WRITE is
    granted only when D is set, so that the first store comes here again.
    """
    env = load64(s + ENV)
    satp = load64(env + ENV_SATP)
    if mode == M_MODE or satp >> 60 & 15 == SATP_BARE:
        if address >> PHYSICAL_BITS != 0:
            return -access_fault(access)
        return address & PAGE_MASK | READ | WRITE | EXECUTE
    if address << _SV39_UNUSED_BITS >> _SV39_UNUSED_BITS != address:
        return -page_fault(access)
    mstatus = load64(env + ENV_MSTATUS)
    table = (satp & _PPN_MASK) << 12
    for level in range(SV39_LEVELS - 1, -1, -1):
        shift = 12 + 9 * level
        entry = table + (address >> shift & 511) * 8
        if not in_ram(s, entry, 8) or not allowed_by_pmp(s, entry, 8, READ, S_MODE):
            return -access_fault(access)
        pte = load64(host_address(s, entry))
        if watched(s, entry):
            store64(s + WALKED, entry & PAGE_MASK)
        table = (pte >> 10 & _PPN_MASK) << 12
        if not pte & PTE_V or pte & (PTE_R | PTE_W) == PTE_W or pte >> 54 != 0:
            return -page_fault(access)
        if not pte & (PTE_R | PTE_W | PTE_X):
            if pte & (PTE_U | PTE_A | PTE_D):
                return -page_fault(access)
            continue
        if not pte_allows(pte, access, mode, mstatus) or table & (1 << shift) - 1:
            return -page_fault(access)
        touched = pte | PTE_A | (PTE_D if access == STORE else 0)
        if touched != pte:
            if not allowed_by_pmp(s, entry, 8, WRITE, S_MODE):
                return -access_fault(access)
            store64(host_address(s, entry), touched)
            note_write(s, entry)
        rights = 0
        if pte_allows(pte, LOAD, mode, mstatus):
            rights |= READ
        if pte & PTE_W and touched & PTE_D:
            rights |= WRITE
        if pte & PTE_X:
            rights |= EXECUTE
        if pte & PTE_U:
            rights |= USER
        return table | address & (1 << shift) - 1 & PAGE_MASK | rights
    return -page_fault(access)


@native
def _steer_size(s: int, index: int) -> None:
    """Let QEMU shrink a TLB that stayed half empty only after some virtual time, whatever its window says.

    QEMU looks at the window when it flushes the TLB, and it flushes only a TLB that was filled since.
    """
    begin = load64(s + CPU) + CPU_TLB_WINDOW + CPU_TLB_STRIDE * index
    ours = s + TLB_WINDOWS + 8 * index
    now = load64(s + CLOCK)
    if now - load64(ours) > TLB_WINDOW:
        store64(ours, now)
        store64(begin, 0)
    elif load64(begin):
        store64(begin, NEVER)


@native
def fill(s: int, address: int, size: int, access: int, index: int, return_address: int) -> int:
    """Put the page of a virtual address into the TLB number `index` (a privilege mode).

    `size` is that of the access, 0 for a fetch; `return_address` is where the translated code goes on.
    Returns 0, or the cause of the fault; does not return when a watched page stops the hart.
    """
    env = load64(s + ENV)
    mode = index
    if mode == M_MODE and access != FETCH:
        mstatus = load64(env + ENV_MSTATUS)
        if mstatus & MSTATUS_MPRV:
            mode = mstatus >> MSTATUS_MPP_SHIFT & 3
    store64(s + WALKED, 0)
    translated = walk(s, address, access, mode)
    if load64(s + WALKED):
        access_watched(s, address, load64(s + WALKED), WALK, return_address)
    if translated < 0:
        return -translated
    page = translated & PAGE_MASK
    if not answered(s, page, access):
        return access_fault(access)

    needed = 1 << access
    rights = 0
    for right in (READ, WRITE, EXECUTE):
        wanted = right & (READ | EXECUTE if access == FETCH else READ | WRITE)
        if translated & wanted and allowed_by_pmp(s, page, PAGE_SIZE, right, mode):
            rights |= right
    valid_for = PAGE_SIZE
    if not rights & needed:
        # PMP divides the page: ask for this access alone, and again for the next one.
        offset = address & ~PAGE_MASK
        if not allowed_by_pmp(s, page | offset, min(max(size, 2), PAGE_SIZE - offset), needed, mode):
            return access_fault(access)
        rights = needed
        valid_for = 1
    if rights & WRITE and in_ram(s, page, PAGE_SIZE) and not open_to_stores(s, page, access == STORE):
        rights &= ~WRITE
    if watched(s, page) and access_watched(s, address, page, access, return_address):
        valid_for = 1 if access != FETCH else PAGE_SIZE
    if access == STORE:
        note_write(s, page)
    elif not _noted(s, page):
        rights &= ~WRITE  # the first store comes here too
    if translated & USER and index == S_MODE:
        count = load64(s + USER_PAGE_COUNT)
        if count < USER_PAGES_MAX:
            store64(s + USER_PAGES + 8 * count, address & PAGE_MASK)
        store64(s + USER_PAGE_COUNT, count + 1)
    _steer_size(s, index)
    call(load64(s + TLB_SET_PAGE), load64(s + CPU), address & PAGE_MASK, page, rights, index, valid_for)
    return 0


@callback(boolean(i64, i64, i32, i32, i32, boolean, i64))
def tlb_fill(
    cpu: int, address: int, size: int, access: int, index: int, probe: bool, return_address: int
) -> bool:
    """Stand in for CPUClass.tlb_fill: fill, or raise the exception (and not return), or say that it would."""
    env = cpu + CPU_ENV
    cause = fill(load64(env + ENV_SPTBR), address, int64(size), int64(access), int64(index), return_address)
    if cause == 0:
        return True
    if probe:
        return False
    store64(env + ENV_BADADDR, address)
    call(load64(load64(env + ENV_SPTBR) + RAISE_EXCEPTION), env, cause, return_address)
    return False


@native
def code_address(s: int, address: int, mode: int) -> int:
    """Return where this process has the code at a virtual address, or 0 if it cannot be fetched."""
    translated = walk(s, address, FETCH, mode)
    if translated < 0 or not in_ram(s, translated & PAGE_MASK, PAGE_SIZE):
        return 0
    return host_address(s, translated & PAGE_MASK | address & ~PAGE_MASK)


@native
def instruction_bits(s: int, pc: int, mode: int) -> int:
    """Return the 16 or 32 bits of the instruction at pc, or 0 if they cannot be fetched."""
    low = code_address(s, pc, mode)
    if low == 0:
        return 0
    bits = load16(low)
    if bits & 3 != 3:
        return bits
    high = code_address(s, pc + 2, mode)
    return bits | load16(high) << 16 if high else 0


@native
def _note_code(s: int, address: int) -> None:
    code = code_address(s, address, load64(load64(s + ENV) + ENV_PRIV))
    if code:
        holds_code(s, (code - load64(s + RAM_HOST) + load64(s + RAM_BASE)) & PAGE_MASK)


@callback(void(i64, i64, i64, i64))
def block_translated_hook(_engine: int, block: int, _previous: int, s: int) -> None:
    """UC_HOOK_EDGE_GENERATED: a block was translated; it may end in the next page."""
    first = load64(block + TB_PC)
    last = first + load16(block + TB_SIZE) - 1
    _note_code(s, first)
    if (first ^ last) & PAGE_MASK:
        _note_code(s, last)


@callback(boolean(i64, i32, i64, i32, i64, i64))
def unmapped_hook(_engine: int, _kind: int, _address: int, _size: int, _value: int, _s: int) -> bool:
    """UC_HOOK_MEM_UNMAPPED outside RAM: never called, as nothing that is not there gets into the TLB.

    It is there because Unicorn, for each block that it translates, looks through the whole TLB for writable
    entries of the block's page (`hv.cpu.code` has seen to them), but not where a memory hook covers the
    block's address.
    """
    return False
