"""RISC-V as the hart needs it: privilege modes, mstatus, interrupts, causes, CSR numbers, register names.

Source: the RISC-V Privileged Specification 1.12, chapters 2 (CSR numbers), 3 (machine level) and 4
(supervisor level).
"""

U_MODE = 0
S_MODE = 1
M_MODE = 3

MSTATUS_SIE = 1 << 1
MSTATUS_MIE = 1 << 3
MSTATUS_SPIE = 1 << 5
MSTATUS_SPP = 1 << 8
MSTATUS_MPP_SHIFT = 11
MSTATUS_FS = 3 << 13
MSTATUS_MPRV = 1 << 17
MSTATUS_SUM = 1 << 18
MSTATUS_MXR = 1 << 19
MSTATUS_SD = -1 << 63  # the sign bit: jitted code counts in int64

SSIP = 1
MSIP = 3
STIP = 5
MTIP = 7
SEIP = 9
MEIP = 11
"""Interrupt numbers: bits of mip and mie, and causes when bit 63 of the cause is set."""

INTERRUPTS = 1 << SSIP | 1 << MSIP | 1 << STIP | 1 << MTIP | 1 << SEIP | 1 << MEIP

FETCH_ACCESS_FAULT = 1
ILLEGAL_INSTRUCTION = 2
BREAKPOINT = 3
LOAD_ACCESS_FAULT = 5
STORE_ACCESS_FAULT = 7
FETCH_PAGE_FAULT = 12
LOAD_PAGE_FAULT = 13
STORE_PAGE_FAULT = 15

INTERRUPT_CAUSE = 1 << 63

CAUSE_NAMES = {
    0: "misaligned fetch",
    FETCH_ACCESS_FAULT: "instruction access fault",
    ILLEGAL_INSTRUCTION: "illegal instruction",
    BREAKPOINT: "breakpoint",
    4: "misaligned load",
    LOAD_ACCESS_FAULT: "load access fault",
    6: "misaligned store",
    STORE_ACCESS_FAULT: "store access fault",
    8: "environment call from U-mode",
    9: "environment call from S-mode",
    11: "environment call from M-mode",
    FETCH_PAGE_FAULT: "instruction page fault",
    LOAD_PAGE_FAULT: "load page fault",
    STORE_PAGE_FAULT: "store page fault",
    INTERRUPT_CAUSE | SSIP: "supervisor software interrupt",
    INTERRUPT_CAUSE | MSIP: "machine software interrupt",
    INTERRUPT_CAUSE | STIP: "supervisor timer interrupt",
    INTERRUPT_CAUSE | MTIP: "machine timer interrupt",
    INTERRUPT_CAUSE | SEIP: "supervisor external interrupt",
    INTERRUPT_CAUSE | MEIP: "machine external interrupt",
}

SATP_BARE = 0
SATP_SV39 = 8

PTE_V = 1
PTE_R = 2
PTE_W = 4
PTE_X = 8
PTE_U = 16
PTE_A = 64
PTE_D = 128

CSR_SSTATUS = 0x100
CSR_SATP = 0x180
CSR_PMPCFG2 = 0x3A2
UNUSED_PMPADDRS = range(0x3B8, 0x3C0)
CSR_HPMCOUNTER3 = 0xC03

CSRS = {
    "fflags": 0x001,
    "frm": 0x002,
    "fcsr": 0x003,
    "sstatus": CSR_SSTATUS,
    "sie": 0x104,
    "stvec": 0x105,
    "scounteren": 0x106,
    "sscratch": 0x140,
    "sepc": 0x141,
    "scause": 0x142,
    "stval": 0x143,
    "sip": 0x144,
    "satp": CSR_SATP,
    "mstatus": 0x300,
    "misa": 0x301,
    "medeleg": 0x302,
    "mideleg": 0x303,
    "mie": 0x304,
    "mtvec": 0x305,
    "mcounteren": 0x306,
    "mscratch": 0x340,
    "mepc": 0x341,
    "mcause": 0x342,
    "mtval": 0x343,
    "mip": 0x344,
    "pmpcfg0": 0x3A0,
    **{f"pmpaddr{i}": 0x3B0 + i for i in range(8)},
    "mcycle": 0xB00,
    "minstret": 0xB02,
    "cycle": 0xC00,
    "time": 0xC01,
    "instret": 0xC02,
    "mhartid": 0xF14,
}
"""Number of each CSR that this hart has, by name."""

X_NAMES = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{i}" for i in range(8)),
    *(f"s{i}" for i in range(2, 12)),
    *(f"t{i}" for i in range(3, 7)),
)
"""ABI names of x0..x31."""
