"""The console: lines with their times, one watch at a time, and the user's keyboard at the other end."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv.cli import terminal
from hv.console import LINE_MAX, Console, Line


class Bench:
    """A console on a clock that ticks with every byte."""

    def __init__(self) -> None:
        self.now = 0
        self.stops: list[int] = []
        self.console = Console(lambda: self.now, lambda: self.stops.append(self.now))

    def send(self, data: bytes) -> None:
        """Have the guest print."""
        for byte in data:
            self.now += 1
            self.console.transmit(byte)


@given(st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")), max_size=5))
def test_lines(parts: list[bytes]) -> None:
    """Lines end at line feeds, carriage returns before them go, bytes that are no text are replaced."""
    bench = Bench()
    bench.send(b"\r\n".join(parts))
    texts = [part.decode("utf-8", "replace").rstrip("\r") for part in parts or [b""]]
    assert [line.text for line in bench.console.lines] == texts[:-1]
    assert bench.console.partial == texts[-1]
    assert bench.console.text() == "\n".join(texts)


def test_a_lines_time_is_its_first_bytes() -> None:
    """A line has the virtual time of its first byte; an empty one that of its end."""
    bench = Bench()
    bench.send(b"ab\n\nc\n")
    assert bench.console.lines == [Line(1, "ab"), Line(4, ""), Line(5, "c")]


def test_a_line_without_end() -> None:
    """A guest that never ends its line does not fill the host: the line is broken, and still watched."""
    bench = Bench()
    bench.send(b"x" * (3 * LINE_MAX + 5))
    assert [len(line.text) for line in bench.console.lines] == [LINE_MAX] * 3
    bench.console.watch("x{7}$")
    bench.send(b"xxx")
    assert bench.stops == [3 * LINE_MAX + 7]


@given(st.text("ab\n", max_size=40), st.sampled_from(["ab", "^b", "a+b$", "^$"]))
def test_a_watch_stops_at_the_byte_that_completes_it(text: str, pattern: str) -> None:
    """The hart is stopped once, at the first byte after which the line being printed matches."""
    bench = Bench()
    bench.console.watch(pattern)
    expected: list[int] = []
    if bench.console.match is None:
        reference = Bench()
        for at, byte in enumerate(text.encode(), 1):
            reference.send(bytes((byte,)))
            reference.console.watch(pattern)
            if byte != 0x0A and reference.console.match and not expected:
                expected.append(at)
    bench.send(text.encode())
    assert bench.stops == expected


def test_what_stands_there_already() -> None:
    """A watch finds what the line already shows, unless it asks for a fresh line; the next watch forgets."""
    bench = Bench()
    bench.send(b"thaw:0> ")
    bench.console.watch("^thaw:")
    assert bench.console.match is not None
    bench.console.watch("^thaw:", fresh=True)
    assert bench.console.match is None
    bench.send(b"mem\nfree 1\nthaw:")
    assert bench.console.match is not None
    assert len(bench.stops) == 1
    bench.console.watch("never")
    assert bench.console.match is None


def test_the_sink_sees_every_byte_first() -> None:
    """What goes to the user's screen is what the guest sent, byte by byte, line ends and all."""
    bench = Bench()
    seen = bytearray()
    bench.console.sink = seen.extend
    bench.send(b"\x1b[1mbold\r\n\xff")
    assert seen == b"\x1b[1mbold\r\n\xff"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The writing end of what is, for the terminal module, standard input."""
    reader, writer = os.pipe()
    monkeypatch.setattr(terminal, "STDIN", reader)
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb"):
        yield writer


@given(st.lists(st.binary(min_size=1, max_size=6).filter(lambda data: 1 not in data), max_size=5))
def test_keys_pass_as_they_are(parts: list[bytes]) -> None:
    """Every key but Ctrl-A reaches the guest, Ctrl-C included; Ctrl-A Ctrl-A is one Ctrl-A."""
    with pytest.MonkeyPatch.context() as patch:
        reader, writer = os.pipe()
        patch.setattr(terminal, "STDIN", reader)
        with terminal.keyboard() as keyboard, os.fdopen(reader, "rb"), os.fdopen(writer, "wb", 0) as typist:
            typed = bytearray()
            for part in parts:
                typist.write(part + b"\x01")
                typed += keyboard.take()
                typist.write(b"\x01")
                typed += keyboard.take()
            assert typed == b"".join(part + b"\x01" for part in parts)
            assert (keyboard.leaving, keyboard.closed) == (False, False)


@pytest.mark.parametrize("last", [b"x", b"X"])
def test_leaving(keys: int, last: bytes) -> None:
    """Ctrl-A X leaves; what was typed before it is still the guest's."""
    with terminal.keyboard() as keyboard:
        os.write(keys, b"mem\x01")
        assert keyboard.take() == b"mem"
        assert not keyboard.leaving
        os.write(keys, last)
        assert keyboard.take() == b""
        assert keyboard.leaving


def test_the_end_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Input that has ended is noticed once, and asked no more."""
    reader, writer = os.pipe()
    monkeypatch.setattr(terminal, "STDIN", reader)
    with terminal.keyboard() as keyboard, os.fdopen(reader, "rb"):
        os.write(writer, b"last")
        os.close(writer)
        assert keyboard.take() == b"last"
        assert not keyboard.closed
        assert keyboard.take() == b""
        assert keyboard.closed
        assert not keyboard.readers
