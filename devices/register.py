"""Register maps as data: a device lists its registers once, and the table reads like its datasheet.

A row gives a register its offset, name, access and width. The device answers a row called `TIME_LOW` in its
methods `read_time_low()` and `write_time_low(value)`; a register that repeats (one a hart, a context, a
source) gets the position of the copy as leading arguments. `RegisterDevice` turns the rows into one look-up
a guest access, at construction, so that a table costs nothing while the guest runs.

Only accesses that the rows define reach a method. Everything else, a hole, a wrong width, a write to a
register that is only read, reads 0 and writes nothing (`devices.mmio.MmioDevice`); real buses differ here
(QEMU faults the access), drivers do not do it.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any, Literal, NamedTuple, TypeVar

_T = TypeVar("_T")
_LOW = 0xFFFF_FFFF


class Register(NamedTuple):
    """One row of a register table.

    Attributes:
        offset: bytes from the start of the device; of the first copy when the register repeats.
        name: as in the datasheet; two rows may share an offset when one is read and the other written.
        access: "r", "w" or "rw".
        width: bytes. A register of 8 bytes (access "rw") also answers accesses of 4 bytes to either half.
        sizes: bytes an access may have; empty means exactly `width`. Those above `width` see zeros on top.
        repeat: (copies, bytes from one to the next) for each dimension, outermost first.
    """

    offset: int
    name: str
    access: Literal["r", "w", "rw"] = "rw"
    width: int = 4
    sizes: tuple[int, ...] = ()
    repeat: tuple[tuple[int, int], ...] = ()

    def copies(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield (offset, index) of every copy; a register that does not repeat is one copy, index ()."""
        for index in product(*(range(count) for count, _ in self.repeat)):
            yield self.offset + sum(i * step for i, (_, step) in zip(index, self.repeat, strict=True)), index


class RegisterDevice:
    """A device whose registers are rows of a table (a `devices.mmio.MmioDevice`).

    Attributes:
        size: bytes that the device decodes.

    Raises ValueError for two rows that answer one access, AttributeError for a row without its method.
    """

    def __init__(self, size: int, registers: Iterable[Register]) -> None:
        self.size = size
        self._readers: dict[tuple[int, int], Callable[[], int]] = {}
        self._writers: dict[tuple[int, int], tuple[Callable[[int], None], int]] = {}
        for register in registers:
            for offset, index in register.copies():
                self._map(register, offset, index)

    def read(self, offset: int, size: int) -> int:
        """Answer a guest's load of `size` bytes at `offset`."""
        reader = self._readers.get((offset, size))
        return reader() if reader is not None else 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a guest's store of the low `size` bytes of `value` at `offset`."""
        writer = self._writers.get((offset, size))
        if writer is not None:
            store, mask = writer
            store(value & mask)

    def _map(self, register: Register, offset: int, index: tuple[int, ...]) -> None:
        load = self._method("read", register, index) if "r" in register.access else None
        store = self._method("write", register, index) if "w" in register.access else None
        for size in register.sizes or (register.width,):
            if load:
                _add(self._readers, offset, size, load)
            if store:
                _add(self._writers, offset, size, (store, (1 << 8 * min(size, register.width)) - 1))
        if load and store and register.width == 8:
            _add(self._readers, offset, 4, lambda: load() & _LOW)
            _add(self._readers, offset + 4, 4, lambda: load() >> 32)
            _add(self._writers, offset, 4, (lambda value: store(load() & ~_LOW | value), _LOW))
            _add(self._writers, offset + 4, 4, (lambda value: store(load() & _LOW | value << 32), _LOW))

    def _method(self, verb: str, register: Register, index: tuple[int, ...]) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self, f"{verb}_{register.name.lower()}")
        return partial(method, *index) if index else method


def _add(table: dict[tuple[int, int], _T], offset: int, size: int, handler: _T) -> None:
    if (offset, size) in table:
        raise ValueError(f"two registers answer {size} bytes at {offset:#x}")
    table[offset, size] = handler
