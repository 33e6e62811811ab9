"""The symbol table that a Linux kernel carries for its own backtraces, read from its plain Image.

Debian ships no System.map, but kallsyms is in the Image: names as strings of tokens, and 32-bit distances
from a base. There is no pointer to it. What gives it away is the table of 256 tokens, each ending in NUL, of
which "0" to "9" stand side by side, and behind it the index into it.

Layout (Linux 6.4 and later, `scripts/kallsyms.c`; parts at multiples of 8 bytes): number of symbols (u32),
names (a length byte, or two, then a token a byte), markers, token table, token index (256 u16), distances
(u32 each, ascending), base (u64).
"""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

_DIGITS = b"".join(b"%d\0" % digit for digit in range(10))
_TOKENS = 256
_SYMBOLS_MAX = 1 << 20
_NAMES_MAX = 1 << 25
_LONG = 0x80
"""A length byte from here on has seven bits, and seven more in the next byte."""


class KernelSymbol(NamedTuple):
    """A symbol: virtual address, kind as in System.map (`T`, `d`), name."""

    address: int
    kind: str
    name: str


def read_kallsyms(image: bytes) -> list[KernelSymbol]:
    """Return the symbols of a kernel, by ascending address; none when it has no table that is understood."""
    for digits in re.finditer(re.escape(_DIGITS), image):
        with suppress(IndexError, ValueError):  # it was no table after all, or the file ends in it
            found = _read(image, digits.start())
            if found:
                return found
    return []


def _read(image: bytes, digits: int) -> list[KernelSymbol]:
    """Return the symbols whose token for "0" is there; none, IndexError or ValueError if they are not."""
    tokens, end = _read_tokens(image, digits)
    index = _aligned(end)
    starts = np.cumsum([0, *(len(token) + 1 for token in tokens[:-1])])
    if not np.array_equal(np.frombuffer(image, "<u2", _TOKENS, index), starts):
        return []
    distances = index + 2 * _TOKENS
    for count, base in _counts(image, distances):
        addresses = np.frombuffer(image, "<u4", count, distances).tolist()
        for at in _places(image, count, digits):
            names = list(_read_names(image, at, count, tokens))
            if len(names) == count:
                pairs = zip(addresses, names, strict=True)
                return [KernelSymbol(base + distance, name[0], name[1:]) for distance, name in pairs]
    return []


def _aligned(offset: int) -> int:
    return -(-offset // 8) * 8


def _read_tokens(image: bytes, digits: int) -> tuple[list[bytes], int]:
    """Return the tokens of the table whose "0" is there, and where it ends."""
    start = digits
    for _ in range(ord("0")):
        start = image.rfind(b"\0", 0, max(start - 1, 0)) + 1
    tokens = image[start : start + (1 << 16)].split(b"\0")[:_TOKENS]
    return tokens, start + sum(len(token) + 1 for token in tokens)


def _counts(image: bytes, distances: int) -> Iterator[tuple[int, int]]:
    """Yield how many symbols there may be, with the base behind their distances: a kernel's address."""
    most = min(_SYMBOLS_MAX, (len(image) - distances) // 4)
    values = np.frombuffer(image, "<u4", most, distances)
    falls = np.flatnonzero(values[1:] < values[:-1])
    ascending = int(falls[0]) + 1 if len(falls) else most
    for count in range(ascending, max(ascending - 4, 0), -1):
        at = _aligned(distances + 4 * count)
        (base,) = struct.unpack_from("<Q", image, at) if at + 8 <= len(image) else (0,)
        if base >> 38 == (1 << 26) - 1:
            yield count, base


def _places(image: bytes, count: int, before: int) -> Iterator[int]:
    """Yield where the names may begin: behind their number."""
    for number in re.finditer(
        re.escape(struct.pack("<I", count)), image[max(before - _NAMES_MAX, 0) : before]
    ):
        at = max(before - _NAMES_MAX, 0) + number.start()
        if at % 8 == 0:
            yield at + 8


def _read_names(image: bytes, at: int, count: int, tokens: list[bytes]) -> Iterator[str]:
    """Yield kind and name of each symbol, until something cannot be one."""
    for _ in range(count):
        length = image[at]
        at += 1
        if length & _LONG:
            length = length & ~_LONG | image[at] << 7
            at += 1
        name = b"".join([tokens[token] for token in image[at : at + length]])
        at += length
        if len(name) < 2 or not name[:1].isalpha():
            return
        yield name.decode("ascii", "backslashreplace")
