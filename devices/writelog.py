"""A log of writes: which pages of RAM were written to since some moment, by the CPU or a device.

Nobody pays for it while it is off. When it goes on, the CPU is told (`on_change`) and enters the first store
to each page (`hv.cpu.mmu`); devices enter theirs through `GuestMemory.written`.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def _ignore() -> None:
    """Stand for a CPU that does not write."""


class WriteLog:
    """The log of one RAM of `pages` pages.

    Attributes:
        on: whether writes are entered.
        pages: for each page, whether it was written to since `start`.
        on_change: called when `on` has changed, or `pages` was cleared.
    """

    def __init__(self, pages: int) -> None:
        self.on = False
        self.pages: npt.NDArray[np.bool_] = np.zeros(pages, np.bool_)
        self.on_change: Callable[[], None] = _ignore

    def start(self) -> None:
        """Enter all writes from now on, into an empty log."""
        self.on = True
        self._clear()

    def stop(self) -> None:
        """Enter no more, and forget what was entered."""
        if self.on:
            self.on = False
            self._clear()

    def _clear(self) -> None:
        self.pages[:] = False
        self.on_change()
