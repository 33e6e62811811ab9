"""Guest RAM inside QEMU's process, as its host sees it: which pages take host memory."""

from pathlib import Path

import numpy as np

from devices.memory import PAGE_SIZE, Pages, own_pages
from hv.errors import HostError


class QemuMemory:
    """RAM of a running QEMU.

    Args:
        process: number of QEMU's process.
        size: bytes of RAM.

    Raises:
        HostError: no mapping of the process looks like it.
    """

    def __init__(self, process: int, size: int) -> None:
        self._process = process
        self._size = size
        self._address = self._find()

    def _find(self) -> int:
        for line in Path(f"/proc/{self._process}/maps").read_text().splitlines():
            place, permissions, *_ = line.split()
            start, end = (int(each, 16) for each in place.split("-"))
            if end - start == self._size and permissions == "rw-p":
                return start
        raise HostError(f"QEMU's process {self._process} has no mapping of {self._size} bytes for RAM")

    def held(self) -> Pages:
        """For each page, whether the host holds memory for it; raises GuestMemoryError."""
        return own_pages(self._process, self._address, self._size)

    def resident_bytes(self) -> int:
        """Return the host memory that RAM takes; raises GuestMemoryError."""
        return int(np.count_nonzero(self.held())) * PAGE_SIZE
