"""Signals that end a process, while a guest runs: what their handlers raise must not come out of a device.

Python runs a signal's handler at the next instruction of Python. While a guest runs that is the first of a
device, called from compiled code through which no exception can pass: it would be printed and lost, and
Ctrl-C with it. So handlers wait until the guest stands still.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Self

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldBack:
    """A context in which the handlers of `ENDING` run when `deliver` is called, and at its end.

    Signals that are ignored, or end the process on the spot, stay so. In a thread other than the main one
    there is nothing to do: Python runs no handlers there.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._came: list[int] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, lambda number, _frame: self._came.append(number))
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self.deliver()

    def deliver(self) -> None:
        """Run the handlers of the signals that have come; raises what they raise."""
        while self._came:
            number = self._came.pop(0)
            self._handlers[number](number, None)
