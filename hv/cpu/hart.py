"""The hart: a RISC-V CPU (rv64imafdc; M, S, U mode; Sv39; PMP) that runs a guest in slices of virtual time.

Theory of operation. Unicorn translates and executes the guest's code; compiled hooks do the rest without
Python: time and interrupts (`block`, `clock`, `interrupts`), exceptions (`trap`), address translation
(`mmu`), code that changes (`code`), some CSRs (`csr`) and the loop around it all (`loop`). Python is entered
for an access to a device (`mmio`) and at the end of a slice. A run is a function of the guest's memory, the
registers and what devices answer: how it is cut into slices makes no difference.

Source of what Unicorn needs help with: `internals`, which also proves that the library is the known one.

Known limits, Unicorn's own: an atomic instruction that faults does so as a load; a fetch fault in the second
half of an instruction over a page's end is reported at the start of its block, of which nothing has run; PMP
entries of type NA4 cover wrong addresses, and a TOR entry sees a change of the address below it only when it
is written itself.
"""

import weakref
from collections.abc import Callable, Iterable
from ctypes import CFUNCTYPE, c_uint32, c_uint64, c_void_p
from functools import cache

import numpy as np
import numpy.typing as npt
from unicorn import unicorn_const as uc

from devices.memory import GuestMemory
from devices.state import Fields, State
from hv.cpu import block, clock, csr, internals, interrupts, loop, mmu, proof, state, trap
from hv.cpu.engine import Engine
from hv.cpu.leave import drop_exit_checks
from hv.cpu.mmio import Region, Windows
from hv.cpu.registers import Registers
from hv.cpu.riscv import MEIP, MSIP, SEIP
from hv.cpu.state import MASK64, HartState
from hv.cpu.stop import HartFault, HartStop
from hv.cpu.watch import Watch, Watcher

_FAULT_SLOTS = (
    *(state.ORIGIN_CAUSE, state.ORIGIN_TVAL, state.ORIGIN_PC, state.ORIGIN_PRIV),
    *(state.NESTED_CAUSE, state.NESTED_TVAL, state.NESTED_PC),
)

_UNMAPPED = uc.UC_HOOK_MEM_READ_UNMAPPED | uc.UC_HOOK_MEM_WRITE_UNMAPPED | uc.UC_HOOK_MEM_FETCH_UNMAPPED

_CODE_HOOK = CFUNCTYPE(None, c_void_p, c_uint64, c_uint32, c_void_p)

_verify_once = cache(proof.verify)


class Hart:
    """One CPU with its memory and devices; usable from one thread at a time, any number of them in a process.

    Args:
        memory: guest RAM. The hart listens to `memory.on_write`, to drop stale translated code.

    Attributes:
        fault: how the guest died, after HartStop.FAULT; else None.
        location: where this process has the CPU.

    Raises:
        HostError: Unicorn is not the known one, or cannot map RAM or devices.
    """

    def __init__(self, memory: GuestMemory) -> None:
        _verify_once()
        self.fault: HartFault | None = None
        self._memory = memory
        self._state = HartState()
        self._page_states = np.zeros(memory.size // mmu.PAGE_SIZE, np.uint8)
        self._breakpoints: dict[int, int] = {}
        self._tracepoints: list[object] = []  # ctypes does not keep them alive
        self._watch: Watch | None = None
        self._engine = Engine()
        self._exit_check = drop_exit_checks(self._engine)
        try:
            self._assemble()
        except BaseException:
            self._engine.close()
            raise
        self._free = weakref.finalize(self, self._engine.close)
        memory.on_write = self.invalidate
        memory.writes.on_change = self._log_changed

    def attach(self, regions: Iterable[Region]) -> None:
        """Map the devices; once, before the first run. They hold wires into the hart, so it comes first.

        Args:
            regions: guest physical address, bytes decoded, device.

        Raises:
            HostError: two of them share a page, or Unicorn cannot map them.
        """
        self._windows = Windows(self._engine, regions, self.request_stop)
        self._state[state.WINDOWS] = self._windows.table.ctypes.data
        self._state[state.WINDOW_COUNT] = len(self._windows.table)

    def _assemble(self) -> None:
        """Map memory, fill the state array, hook everything up."""
        s, memory, engine = self._state, self._memory, self._engine
        self.location = at = internals.locate(engine)
        engine.map_ram(memory.base, memory.size, memory.address)
        if internals.function("qemu_ram_addr_from_host")(engine.handle, memory.address) != 0:
            raise internals.refuse("the first mapping of RAM is not at 0")
        places = {
            state.ENV: at.env,
            state.CPU: at.cpu,
            state.ENGINE: engine.handle,
            state.INTERRUPT_REQUEST: at.interrupt_request,
            state.HALTED: at.cpu + internals.CPU_HALTED,
            state.RAM_BASE: memory.base,
            state.RAM_SIZE: memory.size,
            state.RAM_HOST: memory.address,
            state.PAGE_STATES: self._page_states.ctypes.data,
            state.EMU_START: engine.address("uc_emu_start"),
            state.EMU_STOP: engine.address("uc_emu_stop"),
            state.WRITE_SATP: csr.install(),
            state.BLOCK_SLOW_PATH: block.slow_path.address,
        }
        functions = {slot: internals.function_address(name) for slot, name in internals.FUNCTIONS.items()}
        for slot, value in (places | functions).items():
            s[slot] = value
        internals.store(at.env + internals.ENV_SPTBR, s.address)
        internals.store(at.cpu + internals.CLASS_TLB_FILL, mmu.tlb_fill.address)
        internals.store(at.cpu + internals.CLASS_EXEC_INTERRUPT, interrupts.exec_interrupt.address)
        for kind, function in (
            (uc.UC_HOOK_BLOCK, block.block_hook_address()),
            (uc.UC_HOOK_INTR, trap.exception_hook.address),
            (uc.UC_HOOK_INSN_INVALID, trap.breakpoint_hook.address),
            (uc.UC_HOOK_EDGE_GENERATED, mmu.block_translated_hook.address),
        ):
            engine.hook(kind, function, s.address)
        for begin, end in ((0, memory.base - 1), (memory.base + memory.size, MASK64)):
            engine.hook(_UNMAPPED, mmu.unmapped_hook.address, s.address, begin, end)
        self.attach(())
        self._registers = Registers(engine, at)
        self.reset(memory.base, 0, 0, 0)

    def close(self) -> None:
        """Free the CPU. Nothing else may be called after it, but it may be called again."""
        self._memory.on_write = lambda _address, _length: None
        self._memory.writes.on_change = lambda: None
        self._tracepoints.clear()
        self._windows.close()
        self._free()

    def reset(self, pc: int, a0: int, a1: int, a2: int) -> None:
        """Power-on: all registers and the clock 0 but these, M-mode, no timer, breakpoints kept."""
        self._registers.reset()
        self.pc = pc
        for index, value in ((10, a0), (11, a1), (12, a2)):
            self._registers.set_x(index, value)
        self._set_time(0, 0, MASK64)

    def _set_time(self, now: int, mtime_offset: int, mtimecmp: int) -> None:
        """Start from a clock value, with an empty TLB."""
        s = self._state
        s[state.CLOCK] = now
        s[state.MTIME_OFFSET] = mtime_offset
        s[state.MTIMECMP] = mtimecmp
        s[state.STOP_REQUEST] = s[state.USER_PAGE_COUNT] = 0
        for i in range(internals.TLB_COUNT):
            s[state.TLB_WINDOWS + 8 * i] = now

    def run(self, until_ns: int) -> HartStop:
        """Execute until virtual time `until_ns`, or until something else ends the run.

        Raises HostError when Unicorn fails, and whatever a device raised.
        """
        s = self._state
        self.fault = None
        s[state.BUDGET] = min(clock.from_ns(until_ns), state.NEVER)
        reason = loop.run(s.address)
        self._windows.raise_failure()
        if self._watch is not None and self._watch.failure is not None:
            raise self._watch.failure
        if reason < 0:
            raise self._engine.error(f"go on at pc {self._registers.pc:#x}", -reason)
        if reason == state.STOP_FAULT:
            self.fault = HartFault(*(s.unsigned(slot) for slot in _FAULT_SLOTS))
        return HartStop(reason)

    def request_stop(self) -> None:
        """End the run before the next block. A device may call it in an access, which runs only once."""
        self._state[state.STOP_REQUEST] = 1
        self._attend()

    def _attend(self) -> None:
        """Have the next block take the slow path, which looks at everything."""
        self._state[state.DEADLINE] = 0

    def advance(self, until_ns: int) -> None:
        """Let time pass for a hart that waits in wfi (HartStop.IDLE), so that `until_ns` comes.

        Raises ValueError when the hart is not waiting: time is made by executing.
        """
        if not self.waiting:
            raise ValueError("the hart is not waiting")
        self._state[state.CLOCK] = max(self._state[state.CLOCK], clock.from_ns(until_ns))

    @property
    def waiting(self) -> bool:
        """Whether the hart waits in wfi."""
        return bool(self._state[state.WAITING])

    @property
    def now_ns(self) -> int:
        """Virtual time since reset, in ns."""
        return clock.to_ns(self._state[state.CLOCK])

    def mtime(self) -> int:
        """Return the timer, in ticks of 100 ns."""
        return clock.ticks(self._state[state.CLOCK]) + self._state[state.MTIME_OFFSET] & MASK64

    def set_mtime(self, ticks: int) -> None:
        """Set the timer; it counts on from there."""
        self._state[state.MTIME_OFFSET] = ticks - clock.ticks(self._state[state.CLOCK])
        self._timer_changed()

    def mtimecmp(self) -> int:
        """Return the time from which on the timer interrupt is pending, in ticks."""
        return self._state.unsigned(state.MTIMECMP)

    def set_mtimecmp(self, ticks: int) -> None:
        """Set the time from which on the timer interrupt is pending."""
        self._state[state.MTIMECMP] = ticks
        self._timer_changed()

    def _timer_changed(self) -> None:
        clock.update_timer(self._state.address, self._state[state.CLOCK])
        self._attend()

    def set_pending(self, interrupt: int, level: bool) -> None:
        """Drive an interrupt wire: MSIP (3), SEIP (9) or MEIP (11); taken between two blocks."""
        if interrupt not in (MSIP, SEIP, MEIP):
            raise ValueError(f"interrupt {interrupt} is not a wire of the hart")
        clock.set_pending(self._state.address, 1 << interrupt, level)
        self._attend()

    def invalidate(self, address: int, length: int) -> None:
        """Drop code translated from guest physical RAM that was changed from outside."""
        offset = address - self._memory.base
        if length > 0:
            internals.function("tb_invalidate_phys_range")(self._engine.handle, offset, offset + length)

    @property
    def pc(self) -> int:
        """The program counter. Setting it ends a wait and forgets what happened at the old place."""
        return self._registers.pc

    @pc.setter
    def pc(self, value: int) -> None:
        self._registers.pc = value
        self.fault = None
        self._state[state.BREAK_PASSED] = -1
        for slot in (state.WAITING, state.NESTED_COUNT, state.NESTED_PC, state.NESTED_CAUSE):
            self._state[slot] = 0

    @property
    def priv(self) -> int:
        """The privilege mode: 0 U, 1 S, 3 M."""
        return self._registers.priv

    def x(self, index: int) -> int:
        """Return x0..x31."""
        return self._registers.x(index)

    def set_x(self, index: int, value: int) -> None:
        """Set x1..x31; x0 stays 0."""
        self._registers.set_x(index, value)

    def csr(self, name: str) -> int:
        """Return a CSR; raises KeyError for a name that is not in `hv.cpu.riscv.CSRS`."""
        return self._registers.csr(name)

    def write_csr(self, name: str, value: int) -> None:
        """Write a CSR as M-mode would; read-only ones and fields stay as they are."""
        self._registers.write_csr(name, value)

    def regs(self) -> dict[str, int]:
        """Return what a report on a dead guest needs: pc, x registers by ABI name, mode, CSRs of traps."""
        return self._registers.report()

    def add_breakpoint(self, address: int) -> None:
        """Stop before the instruction at a virtual address each time; the next `run` steps over it.

        A breakpoint divides its block in two, so that from then on an interrupt can come in before it.
        """
        if address not in self._breakpoints:
            hook = (uc.UC_HOOK_CODE, loop.breakpoint_hit.address, self._state.address, address, address)
            self._breakpoints[address] = self._engine.hook(*hook)
            self._engine.flush()

    def remove_breakpoint(self, address: int) -> None:
        """Do not stop there any longer."""
        hook = self._breakpoints.pop(address, None)
        if hook is not None:
            self._engine.unhook(hook)
            self._engine.flush()

    def add_tracepoint(self, address: int, passed: Callable[[], None]) -> None:
        """Call `passed` before each execution of the instruction at a virtual address.

        It may look at the hart but not touch it; the run goes on as it would without the tracepoint.
        """
        callback = _CODE_HOOK(lambda _engine, _address, _size, _user: passed())
        self._tracepoints.append(callback)
        function = c_void_p.from_buffer(callback).value  # a cast would make a cycle
        assert function is not None
        self._engine.hook(uc.UC_HOOK_CODE, function, 0, address, address)
        self._engine.flush()

    def watch(self, pages: npt.NDArray[np.uint8], on_access: Watcher) -> None:
        """Have `on_access` told of every access to some pages, before it happens (see `hv.cpu.watch`).

        Args:
            pages: one byte for each page of RAM, not 0 where accesses are reported. The caller may change it
                in place while the hart stands still, and calls `forget_translations` when a page has become
                watched.
            on_access: who is told; it may look at the hart but not touch it. True stops the run with BREAK.
        """
        self._watch = Watch(self._state, pages, on_access)
        self.forget_translations()

    def _log_changed(self) -> None:
        """Have the first store to each page entered into RAM's log of writes, or no more."""
        log = self._memory.writes
        self._state[state.DIRTY] = log.pages.ctypes.data if log.on else 0
        self.forget_translations()

    def forget_translations(self) -> None:
        """Empty the TLB; the guest does not notice."""
        self._engine.flush_tlb()

    def save(self) -> State:
        """Return the hart as plain data: registers, clock, timer. Breakpoints belong to the debugger."""
        return {
            "registers": self._registers.save(),
            "clock": self._state[state.CLOCK],
            "mtime": self.mtime(),
            "mtimecmp": self.mtimecmp(),
            "waiting": self.waiting,
        }

    def restore(self, saved: State) -> None:
        """Take over what `save` returned, in any process; RAM and devices are restored by their owners.

        Raises StateError that names the field.
        """
        fields = Fields(saved, "hart", ("registers", "clock", "mtime", "mtimecmp", "waiting"))
        now = fields.integer("clock", 0, state.NEVER - 1)
        mtime = fields.integer("mtime", 0, MASK64)
        mtimecmp = fields.integer("mtimecmp", 0, MASK64)
        waiting = fields.boolean("waiting")
        self._registers.restore(fields.value("registers"))
        self.pc = self._registers.pc
        self._set_time(now, mtime - clock.ticks(now), mtimecmp)
        self._state[state.WAITING] = waiting
