"""A Linux's modules, read from a memory that may hold anything."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hv.modules import Modules
from hv.symbols import SYMBOL, Function

HEAD, MODULE, TABLE, SYMBOLS, NAMES = (0xFFFF_FFFF_0000_0000 + (each << 16) for each in range(5))
KERNEL = 0xFFFF_FFC0_0000_0000


def memory_with(contents: dict[int, bytes]) -> dict[int, int]:
    """Return bytes by address."""
    return {start + at: byte for start, data in contents.items() for at, byte in enumerate(data)}


def words(*values: int) -> bytes:
    """Return 64-bit words."""
    return b"".join(value.to_bytes(8, "little") for value in values)


def test_a_module_is_found_by_the_kernels_list() -> None:
    """The list leads to a module, its symbols to a function; behind the function's end is nobody."""
    symbol = words(1 | 2 << 32 | 1 << 48, KERNEL + 0x100, 0x20)
    memory = memory_with(
        {
            HEAD: words(MODULE + 8),
            MODULE: words(0, HEAD, HEAD) + b"virtio_balloon".ljust(0x340, b"\0") + words(TABLE),
            TABLE: words(SYMBOLS, 2, NAMES),
            SYMBOLS: bytes(SYMBOL.itemsize) + symbol,
            NAMES: b"\0tell_host\0".ljust(4096, b"\0"),
        }
    )

    def read(address: int, size: int) -> bytes | None:
        found = [memory.get(address + at) for at in range(size)]
        return None if None in found else bytes(byte for byte in found if byte is not None)

    modules = Modules(read, HEAD)
    assert modules.function(KERNEL + 0x11C) == Function("tell_host", 0x1C, 0x20)
    assert modules.function(KERNEL + 0x120) is None
    assert modules.function(KERNEL + 0xFF) is None
    assert modules.function(0x1000) is None


@given(st.integers(0, 1 << 32), st.sampled_from([0, 1, 3]))
def test_nothing_in_memory_does_harm(seed: int, holes: int) -> None:
    """Whatever the guest has where its list should be, the answer is a function or none."""
    chance = Random(seed)

    def read(_address: int, size: int) -> bytes | None:
        if holes and chance.randrange(4) < holes:
            return None
        pointers = (
            chance.choice((0, HEAD, KERNEL + chance.randrange(1 << 20))) for _ in range(-(-size // 8))
        )
        return words(*pointers)[:size]

    Modules(read, HEAD).function(KERNEL + chance.randrange(1 << 20))
