"""This terminal as the guest's serial console: raw keys in, bytes out, Ctrl-A X to leave (as in QEMU).

Virtual time is paced by the wall clock while the guest idles: it never runs ahead of real time, so `uptime`
is honest and an idle guest costs no CPU. What is typed enters at the virtual time that the guest has reached.
"""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from hv.machine import Machine, Stop, StopReason

SLICE_NS = 10_000_000
"""Virtual time between two looks at the keyboard."""

IDLE_S = 3600.0
"""Seconds that an idle guest waits for a key before its clock is moved on."""

ESCAPE = 0x01  # Ctrl-A
HELP = b"\r\nCtrl-A X leaves, Ctrl-A Ctrl-A sends Ctrl-A\r\n"


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Put a terminal into raw mode for a while; anything that is not a terminal is left as it is."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


class Keyboard:
    """What the user types, with the escape taken out.

    Args:
        fd: file descriptor of the terminal or pipe.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._escaped = False
        self.leaving = False
        self.closed = False

    def read(self, wait_s: float) -> bytes:
        """Wait at most `wait_s` seconds; return what was typed for the guest. Sets `leaving` on Ctrl-A X."""
        if self.closed:
            time.sleep(wait_s)
            return b""
        if not select.select([self._fd], [], [], wait_s)[0]:
            return b""
        typed = os.read(self._fd, 4096)
        self.closed = not typed
        return self._filter(typed)

    def _filter(self, typed: bytes) -> bytes:
        keys = bytearray()
        for key in typed:
            if not self._escaped:
                self._escaped = key == ESCAPE
                if not self._escaped:
                    keys.append(key)
                continue
            self._escaped = False
            if key in b"xX":
                self.leaving = True
            elif key == ESCAPE:
                keys.append(key)
            else:
                sys.stdout.buffer.write(HELP)
                sys.stdout.buffer.flush()
        return bytes(keys)


def attach(machine: Machine) -> Stop | None:
    """Run a machine with its console on this process's stdin and stdout.

    Returns:
        How the machine stopped; None when the user left with Ctrl-A X, or when standard input has ended and
        the guest waits for more of it.
    """
    out = sys.stdout.buffer
    keyboard = Keyboard(sys.stdin.fileno())

    def show(data: bytes) -> None:
        out.write(data)
        if data == b"\n":
            out.flush()

    machine.console.sink = show
    # Where wall and virtual time stood when they were last equal.
    wall, virtual = time.monotonic(), machine.now_ns
    with _raw(sys.stdin.fileno()):
        while True:
            stop = machine.run(machine.now_ns + SLICE_NS)
            out.flush()
            if stop.reason not in (StopReason.BUDGET, StopReason.IDLE):
                return stop
            ahead = (machine.now_ns - virtual) / 1e9 - (time.monotonic() - wall)
            if stop.reason is StopReason.IDLE:
                if keyboard.closed:
                    return None
                keys = keyboard.read(wait_s=IDLE_S)
                machine.hart.advance(virtual + int((time.monotonic() - wall) * 1e9))
            else:
                keys = keyboard.read(wait_s=max(0.0, ahead))
                if ahead < 0:  # the guest is busy and slower than real time: it need not catch up
                    wall, virtual = time.monotonic(), machine.now_ns
            if keyboard.leaving:
                return None
            if keys:
                machine.uart.receive(keys)
