"""What the bus knows of a device."""

from typing import Protocol


class MmioDevice(Protocol):
    """A block of registers.

    The guest chooses offset, size and value, so every combination gets an answer and none raises: an access
    that the device does not define reads 0 and writes nothing.
    """

    @property
    def size(self) -> int:
        """Length of the register block in bytes."""

    def read(self, offset: int, size: int) -> int:
        """Return `size` bytes (1, 2, 4 or 8) at `offset` as an unsigned little-endian number."""

    def write(self, offset: int, size: int, value: int) -> None:
        """Store the low `size` bytes (1, 2, 4 or 8) of `value` at `offset`."""
