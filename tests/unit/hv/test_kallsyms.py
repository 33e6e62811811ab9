"""A Linux kernel's own symbols, found in its Image."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv import board
from hv.kallsyms import read_kallsyms
from hv.kernelimage import IMAGE_HEADER, IMAGE_MAGIC2
from hv.symbols import Function, Symbols
from tests.harness.kit import find_kit

BASE = 0xFFFF_FFFF_8000_0000
TEXT_OFFSET = 0x20_0000
TABLE = [
    (0x0, "T_start"),
    (0x100, "tfill_balloon"),
    (0x180, "Tleak_balloon"),
    (0x200, "t" + "a_very_long_name_" * 12),
    (0x300, "dtable"),
    (0x400, "Tpanic"),
]


def padded(data: bytes) -> bytes:
    """Fill up to a multiple of 8."""
    return data + bytes(-len(data) % 8)


def kernel(symbols: list[tuple[int, str]]) -> bytes:
    """Return an Image with a symbol table as Linux makes them: one token is a word, all others letters."""
    word = "balloon"
    tokens = [chr(code).encode("latin-1") for code in range(256)]
    tokens[0], tokens[1] = b"", word.encode()
    names = b""
    for _, name in symbols:
        packed = name.replace(word, "\1").encode()
        length = len(packed)
        names += bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
        names += packed
    index = [sum(len(token) + 1 for token in tokens[:number]) for number in range(256)]
    parts = (
        IMAGE_HEADER.pack(0, 0, TEXT_OFFSET, 0x1000, 0, 2, 0, 0, b"", IMAGE_MAGIC2, 0),
        bytes(8) + b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0 is no table",
        struct.pack("<I", len(symbols)),
        names,
        struct.pack("<I", 0),
        b"".join(token + b"\0" for token in tokens),
        struct.pack("<256H", *index),
        struct.pack(f"<{len(symbols)}I", *(distance for distance, _ in symbols)),
        struct.pack("<Q", BASE),
        bytes(64),
    )
    return b"".join(map(padded, parts))


def test_symbols_come_out_of_an_image() -> None:
    """Addresses, kinds and names are all there, the long ones and those of tokens too."""
    assert [(s.address - BASE, s.kind + s.name) for s in read_kallsyms(kernel(TABLE))] == TABLE


@given(cut=st.integers(0, len(kernel(TABLE)) - 65), byte=st.integers(0, 255))
def test_a_broken_table_is_none(cut: int, byte: int) -> None:
    """An Image that ends anywhere, or has another byte somewhere, raises nothing."""
    image = kernel(TABLE)
    assert read_kallsyms(image[:cut]) == []
    read_kallsyms(image[:cut] + bytes((byte,)) + image[cut + 1 :])


def test_reports_know_a_kernels_functions(tmp_path: Path) -> None:
    """An address is looked up by where it runs and by where it lies; data have addresses and are no code."""
    path = tmp_path / "Image"
    path.write_bytes(kernel(TABLE))
    symbols = Symbols.of_images([tmp_path / "missing", path])
    physical = board.DRAM_BASE + TEXT_OFFSET
    assert symbols.address("fill_balloon") == physical + 0x100
    assert symbols.virtual_address("table") == BASE + 0x300
    for start in (BASE, physical):
        assert symbols.function(start + 0x104) == Function("fill_balloon", 4, 0x80)
        assert symbols.line(start + 0x104) is None
    for address in (0, BASE - 4, 1 << 40):
        assert symbols.function(address) is None
    assert symbols.address("nobody") is None


@pytest.mark.campaign
def test_debians_kernel_has_them() -> None:
    """The kernel of the kit has its tens of thousands of symbols in order."""
    symbols = read_kallsyms(find_kit().kernel.read_bytes())
    assert len(symbols) > 50_000
    assert symbols == sorted(symbols, key=lambda symbol: symbol.address)
    assert {"swsusp_save", "panic"} <= {symbol.name for symbol in symbols}
