"""The proof that what `internals` knows of Unicorn is true of the library that is here.

It writes through the public API and looks for the value, or looks for pointers that can only stand there, on
an engine that is thrown away.
"""

import time
from collections.abc import Mapping
from ctypes import c_uint8, c_uint32

from unicorn import riscv_const as reg

from hv.cpu.engine import Engine
from hv.cpu.internals import (
    ENV_PC,
    EXIT_CHECK,
    FUNCTIONS,
    OFFSETS,
    PYTHON_FUNCTIONS,
    TLB_COUNT,
    HelperInfo,
    Location,
    function,
    function_address,
    helper_slot,
    load,
    locate,
    refuse,
    store,
)
from hv.cpu.riscv import M_MODE, S_MODE
from hv.cpu.state import MASK64

PRIVILEGE_1_11 = 0x11100
SIZEMASK_PTR_1 = 1 << 2  # the first argument has 64 bits, the second 32, and there is no result

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


def verify(offsets: Mapping[str, int] = OFFSETS) -> None:
    """Prove every offset on an engine that is thrown away.

    Raises HostError that names the first one that is wrong.
    """
    for name in (*FUNCTIONS.values(), *PYTHON_FUNCTIONS):
        function(name)
    before = time.time_ns()
    engine = Engine()
    after = time.time_ns()
    try:
        at = locate(engine, offsets)
        _verify_windows(at, offsets, before, after)
        _verify_engine(at, offsets)
        _verify_exit_check(engine, offsets)
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


def _verify_exit_check(engine: Engine, offsets: Mapping[str, int]) -> None:
    """Check what the translator knows of the exit check: `void (ptr, i32)` with effects (hv.cpu.leave)."""
    info = HelperInfo.from_address(load(helper_slot(engine, EXIT_CHECK, offsets)))
    function = function_address(f"helper_{EXIT_CHECK}")
    if (info.func, info.flags, info.sizemask) != (function, 0, SIZEMASK_PTR_1):
        raise refuse("TCG_HELPERS")


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
        if load(env + offsets["ENV_LOAD_RES"]) != MASK64:
            raise refuse("ENV_LOAD_RES")


def _verify_wait(engine: Engine, at: Location, offsets: Mapping[str, int]) -> None:
    """Run a wfi, which must come back at once and leave its mark."""
    halted = c_uint32.from_address(at.cpu + offsets["CPU_HALTED"])
    engine.map_page(0x1000, (0x1050_0073).to_bytes(4, "little"))
    if halted.value != 0 or engine.start(0x1000) or halted.value != 1 or load(at.env + ENV_PC) != 0x1004:
        raise refuse("CPU_HALTED")
