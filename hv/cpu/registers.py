"""The hart's registers by name: for debuggers, reports and saved state.

CSRs go through the CPU's own access functions with the privilege check off, so what is written obeys the same
rules as when machine-mode software writes it, and cannot bring the CPU into a state that it does not know.
"""

import ctypes
from ctypes import byref, c_uint64

from devices.state import Fields, State
from hv.cpu.engine import Engine
from hv.cpu.internals import (
    ENV_CONTEXT_SIZE,
    ENV_F,
    ENV_LOAD_RES,
    ENV_LOAD_VAL,
    ENV_MIP,
    ENV_MSTATUS,
    ENV_PC,
    ENV_PRIV,
    ENV_X,
    Location,
    function,
    load,
    store,
)
from hv.cpu.riscv import CSRS, INTERRUPTS, M_MODE, MSTATUS_FS, S_MODE, U_MODE, X_NAMES
from hv.cpu.state import MASK64

SAVED_CSRS = (
    *("fcsr", "mtvec", "mepc", "mcause", "mtval", "mscratch", "medeleg", "mideleg", "mie", "mcounteren"),
    *("stvec", "sepc", "scause", "stval", "sscratch", "scounteren", "satp"),
    *(f"pmpaddr{i}" for i in range(8)),
    *("pmpcfg0", "mstatus"),
)
"""CSRs with their own state, in the order of restoring: fcsr changes mstatus, pmpcfg0 can lock pmpaddr."""

REPORTED_CSRS = (
    *("mstatus", "mip", "mie", "mepc", "mcause", "mtval", "mtvec", "medeleg", "mideleg"),
    *("sepc", "scause", "stval", "stvec", "satp"),
)

_FIELDS = ("x", "f", "pc", "priv", "reserved", "reserved_value", "mip", "csr")


class Registers:
    """The registers of one engine's CPU, which has not run yet."""

    def __init__(self, engine: Engine, at: Location) -> None:
        self._engine = engine
        self._at = at
        self._env = at.env
        self._pristine = ctypes.string_at(at.env, ENV_CONTEXT_SIZE)

    def reset(self) -> None:
        """Bring every register into the state after power-on: M-mode, everything 0 and off.

        Translated code stays: it is that of memory, and whoever changes memory says so.
        """
        ctypes.memmove(self._env, self._pristine, ENV_CONTEXT_SIZE)
        self.write_csr("fcsr", 0)  # kept elsewhere; turns the FPU on
        store(self._env + ENV_MSTATUS, load(self._env + ENV_MSTATUS) & ~(MSTATUS_FS | 1 << 63))
        function("riscv_cpu_update_mip")(
            self._at.cpu, 0, 0
        )  # brings the request for interrupts in line with mip
        self._engine.flush_tlb()

    @property
    def pc(self) -> int:
        """The program counter."""
        return load(self._env + ENV_PC)

    @pc.setter
    def pc(self, value: int) -> None:
        store(self._env + ENV_PC, value)

    @property
    def priv(self) -> int:
        """The privilege mode: 0 U, 1 S, 3 M."""
        return load(self._env + ENV_PRIV)

    def x(self, index: int) -> int:
        """Return x0..x31."""
        return load(self._env + ENV_X + 8 * _checked(index))

    def set_x(self, index: int, value: int) -> None:
        """Set x1..x31; x0 stays 0."""
        if _checked(index):
            store(self._env + ENV_X + 8 * index, value)

    def f(self, index: int) -> int:
        """Return the bits of f0..f31."""
        return load(self._env + ENV_F + 8 * _checked(index))

    def set_f(self, index: int, value: int) -> None:
        """Set the bits of f0..f31."""
        store(self._env + ENV_F + 8 * _checked(index), value)

    def csr(self, name: str) -> int:
        """Return a CSR; raises KeyError for a name that is not in `hv.cpu.riscv.CSRS`."""
        return self._access(name, 0, 0)

    def write_csr(self, name: str, value: int) -> None:
        """Write a CSR as M-mode would; read-only ones and fields stay as they are."""
        self._access(name, value, MASK64)

    def _access(self, name: str, value: int, mask: int) -> int:
        old = c_uint64()
        function("riscv_csrrw_debug")(self._env, CSRS[name], byref(old), value, mask)
        return old.value

    def report(self) -> dict[str, int]:
        """Return what a report on a dead guest needs: pc, x registers by ABI name, mode, CSRs of traps."""
        x = {name: self.x(i) for i, name in enumerate(X_NAMES) if i}
        return {"pc": self.pc, **x, "priv": self.priv, **{name: self.csr(name) for name in REPORTED_CSRS}}

    def save(self) -> State:
        """Return all registers as plain data."""
        return {
            "x": [self.x(i) for i in range(32)],
            "f": [self.f(i) for i in range(32)],
            "pc": self.pc,
            "priv": self.priv,
            "reserved": load(self._env + ENV_LOAD_RES),
            "reserved_value": load(self._env + ENV_LOAD_VAL),
            "mip": load(self._env + ENV_MIP),
            "csr": {name: self.csr(name) for name in SAVED_CSRS},
        }

    def restore(self, saved: object) -> None:
        """Take over what `save` returned.

        Raises StateError that names the field. Values that are no numbers of 64 bits are found before
        anything changes; one that this hart cannot hold is found when it was written, and leaves the hart
        reset.
        """
        fields = Fields(saved, "hart.registers", _FIELDS)
        csrs = Fields(fields.value("csr"), "hart.registers.csr", SAVED_CSRS)
        x = fields.integers("x", 32, 0, MASK64)
        f = fields.integers("f", 32, 0, MASK64)
        values = {name: csrs.integer(name, 0, MASK64) for name in SAVED_CSRS}
        plain = {name: fields.integer(name, 0, MASK64) for name in ("pc", "reserved", "reserved_value")}
        priv = fields.integer("priv", U_MODE, M_MODE)
        mip = fields.integer("mip", 0, INTERRUPTS)
        if priv not in (U_MODE, S_MODE, M_MODE):
            raise fields.fail("priv", f"{priv} is no privilege mode")
        if x[0] != 0:
            raise fields.fail("x[0]", "x0 is always 0")
        if mip & ~INTERRUPTS:
            raise fields.fail("mip", f"{mip:#x} has bits that are no interrupts")

        self.reset()
        for name, value in values.items():
            self.write_csr(name, value)
        for name, value in values.items():
            if self.csr(name) != value:
                self.reset()
                raise csrs.fail(name, f"this hart cannot hold {value:#x}")
        for i in range(32):
            self.set_x(i, x[i])
            self.set_f(i, f[i])
        self.pc = plain["pc"]
        for offset, value in (
            (ENV_PRIV, priv),
            (ENV_LOAD_RES, plain["reserved"]),
            (ENV_LOAD_VAL, plain["reserved_value"]),
            (ENV_MIP, mip),
        ):
            store(self._env + offset, value)
        function("riscv_cpu_update_mip")(self._at.cpu, 0, 0)
        self._engine.flush_tlb()


def _checked(index: int) -> int:
    if not 0 <= index < 32:
        raise IndexError(f"no register number {index}")
    return index
