"""Devices in the hart's address space: Unicorn calls Python for each access.

A boot makes a few thousand accesses at 0.2 us each, so devices are plain Python. What a device raises is a
bug of the
host: it cannot pass through C, so it is kept, the hart stops, and `Hart.run` raises it.

Unicorn maps whole pages and splits an access of 8 bytes into two of 4, low half first. What lies in a
device's pages behind its end reads 0.
"""

from collections.abc import Callable, Iterable
from ctypes import CFUNCTYPE, c_uint, c_uint64, c_void_p

import numpy as np
import numpy.typing as npt

from devices.mmio import MmioDevice
from hv.cpu.engine import Engine
from hv.cpu.mmu import PAGE_SIZE
from hv.errors import HostError

_READ = CFUNCTYPE(c_uint64, c_void_p, c_uint64, c_uint, c_void_p)
_WRITE = CFUNCTYPE(None, c_void_p, c_uint64, c_uint, c_uint64, c_void_p)

Region = tuple[int, int, MmioDevice]
"""Guest physical address of a device, bytes that it decodes, and the device."""


def _stand_still() -> None:
    """Stand for a hart that is closed."""


class Windows:
    """The devices of one hart.

    Attributes:
        table: (first page, address behind the last page) of each, for `hv.cpu.mmu`.
        failure: what a device raised, until someone takes it.
    """

    def __init__(self, engine: Engine, regions: Iterable[Region], stop: Callable[[], None]) -> None:
        self.failure: BaseException | None = None
        self._stop = stop
        self._callbacks: list[object] = []  # ctypes does not keep them alive
        pages: list[tuple[int, int]] = []
        for base, size, device in sorted(regions, key=lambda region: region[0]):
            first, last = base & -PAGE_SIZE, -(-(base + size) // PAGE_SIZE) * PAGE_SIZE
            if pages and first < pages[-1][1]:
                raise HostError(
                    f"the devices at {pages[-1][0]:#x} and {base:#x} share a page: move one of them"
                )
            pages.append((first, last))
            engine.map_mmio(first, last - first, *self._bind(device, base - first, size))
        self.table: npt.NDArray[np.int64] = np.array(pages, dtype=np.int64).reshape(-1, 2)

    def _bind(
        self, device: MmioDevice, start: int, end: int
    ) -> tuple[Callable[..., int], Callable[..., None]]:
        """Make the callbacks of a device that begins `start` bytes into its first page."""

        def read(_engine: int, offset: int, size: int, _user: int) -> int:
            if not start <= offset <= start + end - size:
                return 0
            try:
                return device.read(offset - start, size)
            except BaseException as failure:
                return self._failed(failure)

        def write(_engine: int, offset: int, size: int, value: int, _user: int) -> None:
            if not start <= offset <= start + end - size:
                return
            try:
                device.write(offset - start, size, value)
            except BaseException as failure:
                self._failed(failure)

        callbacks = _READ(read), _WRITE(write)
        self._callbacks.extend(callbacks)
        return callbacks

    def close(self) -> None:
        """Forget the devices: they know the hart, and would keep it and RAM until a garbage collection."""
        self._callbacks.clear()
        self._stop = _stand_still

    def _failed(self, failure: BaseException) -> int:
        self.failure = self.failure or failure
        self._stop()
        return 0

    def raise_failure(self) -> None:
        """Raise what a device raised since the last call, if it did."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
