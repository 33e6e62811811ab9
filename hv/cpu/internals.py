"""Everything that is known of Unicorn's insides.

Unicorn's public API cannot run an operating system: it never enters the guest's trap handler for an
exception, gives no fault address, and has neither interrupts nor a clock (Unicorn issues 2402 and 2403 ask
for that). All of it is in the library, which exports QEMU's internal functions under their own names with the
suffix `_riscv64`; what is missing are the places of a few fields. This is the only module that knows them,
and `hv.cpu.proof` checks each one before any guest runs. A library that differs is refused, because a wrong
offset would corrupt the heap of the host process.

The offsets are those of LP64 builds (`qemu/target/riscv/cpu.h`, `qemu/include/hw/core/cpu.h`,
`include/uc_priv.h`).
"""

import ctypes
import os
import threading
from collections.abc import Mapping
from ctypes import CFUNCTYPE, POINTER, byref, c_int, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from unicorn import riscv_const as reg

from hv.cpu import state
from hv.cpu.engine import VERSION, Engine, library
from hv.cpu.riscv import CSR_HPMCOUNTER3
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

ENGINE_TCG = 768

# TCGContext, the translator
TCG_HELPERS = 0x88E0  # GHashTable: what it knows of each function that translated code calls
TCG_ENGINE = 0x8970

# uc_tb, which is public
TB_PC = 0
TB_SIZE = 10

OFFSETS = {
    name: value
    for name, value in vars().items()
    if name.startswith(("ENV_", "CPU_", "CLASS_", "ENGINE_", "TCG_"))
}
"""What `hv.cpu.proof` proves, by name."""

# GHashTable and its nodes, in words: key, value, hash
_TABLE_WORDS = 4
_TABLE_SIZE = 0
_TABLE_SIZE_MASK = 0xFFFF  # the upper half of the word is another field; a table is small
_TABLE_NODES = 3
_NODE_WORDS = 3

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

PYTHON_FUNCTIONS: dict[str, list[Any]] = {
    "qemu_ram_addr_from_host": [c_void_p, c_void_p],
    "riscv_cpu_get_fflags": [c_void_p],
    "riscv_cpu_tlb_fill": [],
    "riscv_cpu_update_mip": [c_void_p, c_uint32, c_uint32],
    "riscv_csrrw_debug": [c_void_p, c_int, c_void_p, c_uint64, c_uint64],
    "riscv_get_csr_ops": [c_int, c_void_p],
    "riscv_set_csr_ops": [c_int, c_void_p],
    "helper_check_exit_request": [],
    "tb_invalidate_phys_range": [c_void_p, c_uint64, c_uint64],
}


class CsrOperations(ctypes.Structure):
    """`riscv_csr_operations`: predicate, read, write and the three in one; null where there is none."""

    _fields_ = (("predicate", c_void_p), ("read", c_void_p), ("write", c_void_p), ("modify", c_void_p))


_CSR_PREDICATE = CFUNCTYPE(c_int, c_void_p, c_int)
_CSR_READ = CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_uint64))


EXIT_CHECK = "check_exit_request"
"""Helper that every block calls before anything else, to see whether somebody wants the CPU to stop."""

TCG_CALL_NO_RWG_SE = 1 | 4  # neither reads nor writes guest registers, and has no side effects


class HelperInfo(ctypes.Structure):
    """`TCGHelperInfo`: what the translator knows of a function that translated code calls."""

    _fields_ = (("func", c_void_p), ("name", c_void_p), ("flags", c_uint32), ("sizemask", c_uint32))


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
    if name in PYTHON_FUNCTIONS:
        found.argtypes = PYTHON_FUNCTIONS[name]
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
    words = np.frombuffer(
        memoryview((c_uint32 * (offsets["CPU_ENV"] // 4)).from_address(cpu)).cast("B"), np.uint32
    )
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


def _words(address: int, count: int) -> npt.NDArray[np.uint64]:
    """Copy 64-bit words from an address that is not proved; raises HostError where there is no memory."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:  # noqa: PTH123
            words = np.frombuffer(os.pread(memory.fileno(), 8 * count, address), np.uint64)
    except (OSError, OverflowError):
        words = np.empty(0, np.uint64)
    if len(words) != count:
        raise refuse("a pointer leads nowhere")
    return words


def helper_slot(engine: Engine, name: str, offsets: Mapping[str, int] = OFFSETS) -> int:
    """Return where an engine keeps its pointer to the `HelperInfo` of a helper.

    Raises HostError when there is none.
    """
    translator = load(engine.handle + offsets["ENGINE_TCG"])
    if _words(translator + offsets["TCG_ENGINE"], 1)[0] != engine.handle:
        raise refuse("ENGINE_TCG, TCG_ENGINE")
    table = _words(int(_words(translator + offsets["TCG_HELPERS"], 1)[0]), _TABLE_WORDS)
    nodes, size = int(table[_TABLE_NODES]), int(table[_TABLE_SIZE]) & _TABLE_SIZE_MASK
    keys = _words(nodes, _NODE_WORDS * size)[::_NODE_WORDS]
    found = np.flatnonzero(keys == function_address(f"helper_{name}")).tolist()
    if len(found) != 1:
        raise refuse("TCG_HELPERS")
    return nodes + 8 * (_NODE_WORDS * found[0] + 1)
