"""Cutting a client's bytes into JSON values. QEMU wants no line ends between them, so neither do we."""

from collections.abc import Iterator

MESSAGE_MAX = 1 << 16
"""Bytes of one value."""

DEPTH_MAX = 64
"""Arrays and objects in each other; a decoder's stack is not for the client to fill."""

_SPACE = b" \t\r\n"
_OPEN, _CLOSE = b"{[", b"}]"
_QUOTE, _BACKSLASH = 0x22, 0x5C


class Framer:
    """Collects bytes and gives out values, whole and as they came; whether they are JSON is not its business.

    A value begins with a bracket and ends with the one that closes it. Anything else outside brackets ends
    with the line, and is a value too: its decoder will refuse it.
    """

    def __init__(self) -> None:
        self._reset()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and yield the values that they complete.

        A value that is too long or too deep is given out as far as it has come: its decoder refuses it, and
        what follows is taken for a new one.
        """
        for byte in data:
            if not self._value and byte in _SPACE:
                continue
            if self._take(byte) or len(self._value) == MESSAGE_MAX or self._depth > DEPTH_MAX:
                value = bytes(self._value)
                self._reset()
                yield value

    def _reset(self) -> None:
        self._value = bytearray()
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def _take(self, byte: int) -> bool:
        """Add a byte; return whether it completes a value."""
        if not self._depth and byte in b"\r\n":
            return True
        self._value.append(byte)
        if self._in_string:
            self._in_string = self._escaped or byte != _QUOTE
            self._escaped = not self._escaped and byte == _BACKSLASH
        elif byte == _QUOTE:
            self._in_string = self._depth > 0
        elif byte in _OPEN:
            self._depth += 1
        elif byte in _CLOSE and self._depth:
            self._depth -= 1
            return not self._depth
        return False
