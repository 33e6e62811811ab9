"""A small board around a hart: the real board devices, the guest programs of this folder."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from elftools.elf.elffile import ELFFile

from devices.clint import Clint
from devices.memory import GuestMemory
from devices.plic import Plic
from devices.power import Power, PowerRequest
from devices.uart import Uart
from hv import board
from hv.cpu import Hart, HartStop
from hv.cpu.mmio import Region
from hv.cpu.riscv import MEIP, MSIP, SEIP

SECOND = 1_000_000_000
RAM = 8 * board.MIB


class Image:
    """The ELF with the guest programs.

    Attributes:
        path: the file.
        segments: (address, bytes) to load.
        symbols: addresses by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            elf = ELFFile(file)
            loads = [s for s in elf.iter_segments("PT_LOAD") if s["p_filesz"]]
            self.segments = [(int(s["p_paddr"]), bytes(s.data())) for s in loads]
            table: Any = elf.get_section_by_name(".symtab")
            self.symbols = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}


class Pin:
    """A wire into the hart."""

    def __init__(self, hart: Hart, interrupt: int) -> None:
        self._hart = hart
        self._interrupt = interrupt

    def set_level(self, level: bool) -> None:
        """Drive it."""
        self._hart.set_pending(self._interrupt, level)


class Board:
    """A machine that runs one guest program. A context manager.

    Args:
        image: the guest programs.
        program: the one to run.
        extra: more devices: address, size, device.

    Attributes:
        output: bytes that came out of the UART.
        request: what the guest asked of the platform.
    """

    def __init__(self, image: Image, program: str, extra: Iterable[Region] = ()) -> None:
        self.image = image
        self.output = bytearray()
        self.request: PowerRequest | None = None
        self.memory = GuestMemory.allocate(board.DRAM_BASE, RAM)
        self.hart = hart = Hart(self.memory)
        self.clint = Clint(hart, Pin(hart, MSIP))
        self.plic = Plic(board.PLIC_SOURCES, [Pin(hart, MEIP), Pin(hart, SEIP)])
        self.uart = Uart(self.plic.line(board.UART.irq), self.output.append)
        devices = (
            (board.CLINT, self.clint),
            (board.PLIC, self.plic),
            (board.UART, self.uart),
            (board.TEST, Power(self._power)),
        )
        hart.attach([*((place.base, place.size, device) for place, device in devices), *extra])
        for address, data in image.segments:
            self.memory.write(address, data)
        self.poke("selected_program", image.symbols[program])
        hart.reset(image.symbols["_start"], 0, 0, 0)

    def _power(self, request: PowerRequest) -> None:
        self.request = request
        self.hart.request_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.hart.close()

    def poke(self, symbol: str, value: int) -> None:
        """Store 64 bits in a variable of the guest."""
        self.memory.write(self.image.symbols[symbol], value.to_bytes(8, "little"))

    def run(self, until_ns: int = SECOND) -> HartStop:
        """Run for at most so long."""
        return self.hart.run(until_ns)

    def finish(self) -> str:
        """Run to the end of the program; return what it printed."""
        stop = self.run(100 * SECOND)
        assert stop is HartStop.REQUESTED, (stop, self.hart.fault, self.text)
        assert self.request is not None
        return self.text

    def run_sliced(self, slices: Iterable[int]) -> None:
        """Run to the end of the program in slices of so many ns."""
        until = 0
        for length in slices:
            until += length
            stop = self.run(until)
            if stop is HartStop.REQUESTED:
                return
            assert stop is HartStop.BUDGET, (stop, self.hart.fault)
            assert self.hart.now_ns >= until
        raise AssertionError("the slices were too few")

    @property
    def text(self) -> str:
        """What came out of the UART."""
        return self.output.decode()

    def digest(self) -> str:
        """Return a hash of all RAM."""
        return sha256(self.memory.ram.data).hexdigest()

    def save(self) -> dict[str, Any]:
        """Return the whole board as plain data."""
        return {
            "ram": self.memory.read(self.memory.base, self.memory.size),
            "output": bytes(self.output),
            "hart": self.hart.save(),
            "clint": self.clint.save(),
            "plic": self.plic.save(),
            "uart": self.uart.save(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what `save` returned."""
        self.memory.write(self.memory.base, saved["ram"])
        self.output[:] = saved["output"]
        self.clint.restore(saved["clint"])
        self.plic.restore(saved["plic"])
        self.uart.restore(saved["uart"])
        self.hart.restore(saved["hart"])
