"""Everything that is known of Unicorn's insides, and the proof at start that it is true of the library.

Unicorn's public API cannot run an operating system: it never enters the guest's trap handler for an
exception, gives no fault address, and has neither interrupts nor a clock (Unicorn issues 2402 and 2403 ask
for that). All of it is in the library, which exports QEMU's internal functions under their own names with the
suffix `_riscv64`; what is missing are the places of a few fields. This is the only module that knows them,
and `verify` checks each one before any guest runs: it writes through the public API and looks for the value,
or looks for pointers that can only stand there. A library that differs is refused, because a wrong offset
would corrupt the heap of the host process.

The offsets are those of LP64 builds (`qemu/target/riscv/cpu.h`, `qemu/include/hw/core/cpu.h`,
`include/uc_priv.h`).
"""

import ctypes
import threading
import time
from collections.abc import Mapping
from ctypes import CFUNCTYPE, POINTER, byref, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from unicorn import riscv_const as reg

from hv.cpu import state
from hv.cpu.engine import VERSION, Engine, library
from hv.cpu.riscv import CSR_HPMCOUNTER3, M_MODE, S_MODE
from hv.errors import HostError

# CPURISCVState, called env
ENV_X = 0
ENV_F = 256
ENV_PC = 512
ENV_LOAD_RES = 520
ENV_LOAD_VAL = 528
ENV_FRM = 536
ENV_BADADDR = 544
ENV_PRIV_VERSION = 560
ENV_PRIV = 592
ENV_MSTATUS = 624
ENV_MIP = 632
ENV_MIE = 648
ENV_MIDELEG = 656
ENV_SPTBR = 664  # of privilege 1.9 and unused since: the address of the hart's state array
ENV_SATP = 672
ENV_STVAL = 680
ENV_MTVAL = 688
ENV_MEDELEG = 696
ENV_STVEC = 704
ENV_SEPC = 712
ENV_SCAUSE = 720
ENV_MTVEC = 728
ENV_MEPC = 736
ENV_MCAUSE = 744
ENV_SCOUNTEREN = 952
ENV_MCOUNTEREN = 960
ENV_CONTEXT_SIZE = 0x5F8  # what uc_context_save copies: everything above and the PMP

# CPUState and CPUClass, around env
CPU_ENV = 0x8D10
CPU_ENV_PTR = 296
CPU_KICK_PTR = 304
CPU_KICK = CPU_ENV - 16  # in QEMU it is called icount_decr
CPU_TLB_WINDOW = CPU_ENV - 2848  # window_begin_ns of the first TLB
CPU_TLB_STRIDE = 696  # from one TLB to the next, of four
CPU_HALTED = 33176
CPU_ENGINE_PTR = 33192
CLASS_TLB_FILL = CPU_ENV + 1680  # and tlb_fill_cpu, the stock one, behind it
CLASS_EXEC_INTERRUPT = CPU_ENV + 1752

# uc_struct
ENGINE_CPU = 440
ENGINE_CONTEXT_SIZE = 2016
ENGINE_FLAGS = 2032  # hook_insert, first_tb, no_exit_request, init_done: one byte each
ENGINE_NO_EXIT_REQUEST = ENGINE_FLAGS + 2

# uc_tb, which is public
TB_PC = 0
TB_SIZE = 10

OFFSETS = {
    name: value for name, value in vars().items() if name.startswith(("ENV_", "CPU_", "CLASS_", "ENGINE_"))
}
"""What `verify` proves, by name."""

PRIVILEGE_1_11 = 0x11100
TLB_COUNT = 4

FUNCTIONS = {
    state.DO_INTERRUPT: "riscv_cpu_do_interrupt",
    state.EXEC_INTERRUPT: "riscv_cpu_exec_interrupt",
    state.RAISE_EXCEPTION: "riscv_raise_exception",
    state.PMP_HART_HAS_PRIVS: "pmp_hart_has_privs",
    state.TLB_SET_PAGE: "tlb_set_page",
    state.TLB_FLUSH: "tlb_flush",
    state.TLB_FLUSH_BY_MMUIDX: "tlb_flush_by_mmuidx",
    state.TLB_FLUSH_PAGE_BY_MMUIDX: "tlb_flush_page_by_mmuidx",
    state.TB_INVALIDATE_PHYS_RANGE: "tb_invalidate_phys_range",
    state.RESTORE_STATE: "cpu_restore_state",
    state.LOOP_EXIT_RESTORE: "cpu_loop_exit_restore",
}
"""Internal functions that compiled code calls, by the slot that holds their address."""

_PYTHON_FUNCTIONS: dict[str, list[Any]] = {
    "qemu_ram_addr_from_host": [c_void_p, c_void_p],
    "riscv_cpu_get_fflags": [c_void_p],
    "riscv_cpu_tlb_fill": [],
    "riscv_cpu_update_mip": [c_void_p, c_uint32, c_uint32],
    "riscv_csrrw_debug": [c_void_p, c_int, c_void_p, c_uint64, c_uint64],
    "riscv_get_csr_ops": [c_int, c_void_p],
    "riscv_set_csr_ops": [c_int, c_void_p],
    "tb_invalidate_phys_range": [c_void_p, c_uint64, c_uint64],
}

_PROBES = {
    "ENV_PC": ("PC", 0x1_2340),
    **{f"ENV_X+{i}": (f"X{i}", 0x1234_5678_9ABC_DE00 + i) for i in range(1, 32)},
    **{f"ENV_F+{i}": (f"F{i}", 0x2234_5678_9ABC_DE00 + i) for i in range(32)},
    "ENV_MSTATUS": ("MSTATUS", 1 << 18 | 1 << 13),
    "ENV_FRM": ("FRM", 5),
    "ENV_MIE": ("MIE", 0x88),
    "ENV_MIDELEG": ("MIDELEG", 0x222),
    "ENV_STVAL": ("STVAL", 0x1001),
    "ENV_MTVAL": ("MTVAL", 0x2002),
    "ENV_MEDELEG": ("MEDELEG", 0xB109),
    "ENV_STVEC": ("STVEC", 0x3000),
    "ENV_SEPC": ("SEPC", 0x4000),
    "ENV_SCAUSE": ("SCAUSE", 0x5),
    "ENV_MTVEC": ("MTVEC", 0x6000),
    "ENV_MEPC": ("MEPC", 0x7000),
    "ENV_MCAUSE": ("MCAUSE", 0x8),
    "ENV_SCOUNTEREN": ("SCOUNTEREN", 0x9),
    "ENV_MCOUNTEREN": ("MCOUNTEREN", 0xA),
}
"""(register, value) to write through the public API, by the place to look at then; `+i` counts words."""

_NEIGHBOURS = (
    ("ENV_LOAD_VAL", "ENV_LOAD_RES", 8),
    ("ENV_BADADDR", "ENV_FRM", 8),
    ("ENV_SPTBR", "ENV_MIDELEG", 8),
    ("ENV_SATP", "ENV_SPTBR", 8),
    ("ENV_STVAL", "ENV_SATP", 8),
    ("ENGINE_NO_EXIT_REQUEST", "ENGINE_FLAGS", 2),
)
"""Fields that nothing public shows, each at its distance from one that is proved."""


class CsrOperations(ctypes.Structure):
    """`riscv_csr_operations`: predicate, read, write and the three in one; null where there is none."""

    _fields_ = (("predicate", c_void_p), ("read", c_void_p), ("write", c_void_p), ("modify", c_void_p))


_CSR_PREDICATE = CFUNCTYPE(c_int, c_void_p, c_int)
_CSR_READ = CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_uint64))


@dataclass(frozen=True)
class Location:
    """Where one engine has its CPU.

    Attributes:
        engine: address of uc_struct.
        cpu: address of CPUState.
        env: address of CPURISCVState.
        interrupt_request: address of CPUState's field.
    """

    engine: int
    cpu: int
    env: int
    interrupt_request: int


def refuse(what: str) -> HostError:
    """Return the error for a library that is not the one that is known."""
    wanted = ".".join(map(str, VERSION))
    return HostError(
        f"this build of Unicorn is not the one that is known ({what}): "
        f"pip install --force-reinstall unicorn=={wanted} brings the wheel for 64-bit Linux"
    )


@cache
def function(name: str) -> Any:
    """Return an internal function of Unicorn's; raises HostError when the library does not export it."""
    try:
        found = getattr(library(), f"{name}_riscv64")
    except AttributeError:
        raise refuse(f"no function {name}_riscv64") from None
    if name in _PYTHON_FUNCTIONS:
        found.argtypes = _PYTHON_FUNCTIONS[name]
    found.restype = c_uint64
    return found


def function_address(name: str) -> int:
    """Return where an internal function is; raises HostError when the library does not export it."""
    address = ctypes.cast(function(name), c_void_p).value
    assert address is not None
    return address


def load(address: int) -> int:
    """Read 64 bits of this process."""
    return c_uint64.from_address(address).value


def store(address: int, value: int) -> None:
    """Write 64 bits of this process."""
    c_uint64.from_address(address).value = value


_csr_table = threading.Lock()
"""Unicorn has one table of CSRs for all engines of a process."""


def find_env(engine: Engine) -> int:
    """Return the address of CPURISCVState: a CSR's read function is handed it."""
    found: list[int] = []

    def permit(_env: int, _number: int) -> int:
        return 0

    def read(env: int, _number: int, value: Any) -> int:
        found.append(env)
        value[0] = 0
        return 0

    callbacks = _CSR_PREDICATE(permit), _CSR_READ(read)
    stock = CsrOperations()
    ours = CsrOperations(*(ctypes.cast(callback, c_void_p) for callback in callbacks))
    with _csr_table:
        function("riscv_get_csr_ops")(CSR_HPMCOUNTER3, byref(stock))
        function("riscv_set_csr_ops")(CSR_HPMCOUNTER3, byref(ours))
        try:
            engine.read(reg.UC_RISCV_REG_HPMCOUNTER3)
        finally:
            function("riscv_set_csr_ops")(CSR_HPMCOUNTER3, byref(stock))
    if len(found) != 1:
        raise refuse("the functions of a CSR are not called")
    return found[0]


def locate(engine: Engine, offsets: Mapping[str, int] = OFFSETS) -> Location:
    """Find the CPU of an engine.

    Raises HostError when a pointer is not where it must be.
    """
    env = find_env(engine)
    cpu = env - offsets["CPU_ENV"]
    words = (c_uint64 * 256).from_address(engine.handle)  # inside uc_struct, whatever its layout
    if words[offsets["ENGINE_CPU"] // 8] != cpu:
        raise refuse("ENGINE_CPU, CPU_ENV")
    pointers = {
        "CPU_ENV_PTR": env,
        "CPU_KICK_PTR": cpu + offsets["CPU_KICK"],
        "CPU_ENGINE_PTR": engine.handle,
        "CLASS_TLB_FILL": function_address("riscv_cpu_tlb_fill"),
        "CLASS_EXEC_INTERRUPT": function_address("riscv_cpu_exec_interrupt"),
    }
    for name, pointer in pointers.items():
        if load(cpu + offsets[name]) != pointer:
            raise refuse(name)
    if load(cpu + offsets["CLASS_TLB_FILL"] + 8) != pointers["CLASS_TLB_FILL"]:
        raise refuse("CLASS_TLB_FILL")
    return Location(engine.handle, cpu, env, _find_interrupt_request(cpu, offsets))


def _find_interrupt_request(cpu: int, offsets: Mapping[str, int]) -> int:
    """Find the one word below env that changes when an interrupt becomes pending; check mip on the way."""
    words = np.ctypeslib.as_array((c_uint32 * (offsets["CPU_ENV"] // 4)).from_address(cpu))
    before = words.copy()
    function("riscv_cpu_update_mip")(cpu, 2, 2)
    after = words.copy()
    mip = load(cpu + offsets["CPU_ENV"] + offsets["ENV_MIP"])
    function("riscv_cpu_update_mip")(cpu, 2, 0)
    if mip != 2:
        raise refuse("ENV_MIP")
    changed = np.flatnonzero(before != after).tolist()
    if len(changed) != 1 or after[changed[0]] != 2:
        raise refuse("interrupt_request")
    return cpu + 4 * int(changed[0])


def verify(offsets: Mapping[str, int] = OFFSETS) -> None:
    """Prove every offset on an engine that is thrown away.

    Raises HostError that names the first one that is wrong.
    """
    for name in (*FUNCTIONS.values(), *_PYTHON_FUNCTIONS):
        function(name)
    before = time.time_ns()
    engine = Engine()
    after = time.time_ns()
    try:
        at = locate(engine, offsets)
        _verify_windows(at, offsets, before, after)
        _verify_engine(at, offsets)
        _verify_registers(engine, at.env, offsets)
        _verify_wait(engine, at, offsets)
    finally:
        engine.close()


def _verify_windows(at: Location, offsets: Mapping[str, int], before: int, after: int) -> None:
    """Check that the windows of all TLBs begin when the engine was made; QEMU counts whole microseconds."""
    for i in range(TLB_COUNT):
        begin = load(at.cpu + offsets["CPU_TLB_WINDOW"] + i * offsets["CPU_TLB_STRIDE"])
        if not before - 1000 < begin <= after:
            raise refuse("CPU_TLB_WINDOW, CPU_TLB_STRIDE")


def _verify_engine(at: Location, offsets: Mapping[str, int]) -> None:
    for name, neighbour, distance in _NEIGHBOURS:
        if offsets[name] != offsets[neighbour] + distance:
            raise refuse(name)
    if c_uint32.from_address(at.engine + offsets["ENGINE_CONTEXT_SIZE"]).value != offsets["ENV_CONTEXT_SIZE"]:
        raise refuse("ENGINE_CONTEXT_SIZE, ENV_CONTEXT_SIZE")
    # Nothing ran yet, so next_pc is 0, and of the four flags behind it only init_done is set.
    if bytes((c_uint8 * 12).from_address(at.engine + offsets["ENGINE_FLAGS"] - 8)) != b"\0" * 11 + b"\1":
        raise refuse("ENGINE_FLAGS")


def _verify_registers(engine: Engine, env: int, offsets: Mapping[str, int]) -> None:
    for place, (register, value) in _PROBES.items():
        name, _, index = place.partition("+")
        engine.write(getattr(reg, f"UC_RISCV_REG_{register}"), value)
        if load(env + offsets[name] + 8 * int(index or 0)) != value:
            raise refuse(name)
    if load(env + offsets["ENV_PRIV_VERSION"]) != PRIVILEGE_1_11:
        raise refuse("ENV_PRIV_VERSION")
    # A change of privilege breaks a load reservation.
    for mode in (S_MODE, M_MODE):
        store(env + offsets["ENV_LOAD_RES"], 0x1000)
        engine.write(reg.UC_RISCV_REG_PRIV, mode)
        if load(env + offsets["ENV_PRIV"]) != mode:
            raise refuse("ENV_PRIV")
        if load(env + offsets["ENV_LOAD_RES"]) != state.MASK64:
            raise refuse("ENV_LOAD_RES")


def _verify_wait(engine: Engine, at: Location, offsets: Mapping[str, int]) -> None:
    """Run a wfi, which must come back at once and leave its mark."""
    halted = c_uint32.from_address(at.cpu + offsets["CPU_HALTED"])
    engine.map_page(0x1000, (0x1050_0073).to_bytes(4, "little"))
    if halted.value != 0 or engine.start(0x1000) or halted.value != 1 or load(at.env + ENV_PC) != 0x1004:
        raise refuse("CPU_HALTED")
