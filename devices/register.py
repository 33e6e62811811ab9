"""Register maps as data: a device lists its registers once, and the table reads like its datasheet.

A row gives a register its offset, name, access and width. The device answers a row called `TIME_LOW` in its
methods `read_time_low()` and `write_time_low(value)`; a register that repeats (one a hart, a context, a
source) gets the position of the copy as leading arguments. `RegisterDevice` turns the rows into one look-up
a guest access when the first device of its class is made, so that a table costs nothing while the guest runs
and next to nothing when a machine is forked.

Only accesses that the rows define reach a method. Everything else, a hole, a wrong width, a write to a
register that is only read, reads 0 and writes nothing (`devices.mmio.MmioDevice`); real buses differ here
(QEMU faults the access), drivers do not do it.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
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
        kind: type = type(self)
        self._readers, self._writers = _look_up(kind, tuple(registers))

    def read(self, offset: int, size: int) -> int:
        """Answer a guest's load of `size` bytes at `offset`."""
        reader = self._readers.get((offset, size))
        return reader(self) if reader is not None else 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a guest's store of the low `size` bytes of `value` at `offset`."""
        writer = self._writers.get((offset, size))
        if writer is not None:
            store, mask = writer
            store(self, value & mask)


_Readers = dict[tuple[int, int], Callable[[Any], int]]
_Writers = dict[tuple[int, int], tuple[Callable[[Any, int], None], int]]


@cache
def _look_up(device: type, registers: tuple[Register, ...]) -> tuple[_Readers, _Writers]:
    """Return what answers an access of (offset, bytes), once for all devices of a class."""
    readers: _Readers = {}
    writers: _Writers = {}
    for register in registers:
        for offset, index in register.copies():
            load = _method(device, "read", register, index) if "r" in register.access else None
            store = _method(device, "write", register, index) if "w" in register.access else None
            for size in register.sizes or (register.width,):
                if load:
                    _add(readers, offset, size, load)
                if store:
                    _add(writers, offset, size, (store, (1 << 8 * min(size, register.width)) - 1))
            if load and store and register.width == 8:
                _add_halves(readers, writers, offset, load, store)
    return readers, writers


def _add_halves(
    readers: _Readers,
    writers: _Writers,
    offset: int,
    load: Callable[[Any], int],
    store: Callable[[Any, int], None],
) -> None:
    """Let a register of 8 bytes answer accesses of 4 bytes."""
    _add(readers, offset, 4, lambda device: load(device) & _LOW)
    _add(readers, offset + 4, 4, lambda device: load(device) >> 32)
    _add(writers, offset, 4, (lambda device, value: store(device, load(device) & ~_LOW | value), _LOW))
    _add(
        writers, offset + 4, 4, (lambda device, value: store(device, load(device) & _LOW | value << 32), _LOW)
    )


def _method(device: type, verb: str, register: Register, index: tuple[int, ...]) -> Callable[..., Any]:
    """Return the method of a class that answers for one copy of a register."""
    method: Callable[..., Any] = getattr(device, f"{verb}_{register.name.lower()}")
    return (lambda device, *value: method(device, *index, *value)) if index else method


def _add(table: dict[tuple[int, int], _T], offset: int, size: int, handler: _T) -> None:
    if (offset, size) in table:
        raise ValueError(f"two registers answer {size} bytes at {offset:#x}")
    table[offset, size] = handler
