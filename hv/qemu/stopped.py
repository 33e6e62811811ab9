"""QEMU's devices without a guest: registers and RAM of a stopped machine through its gdb stub.

In physical-memory mode a memory packet of 1, 2, 4 or 8 bytes is one access to a device (GDB's manual,
appendix "Remote Serial Protocol"; the mode is QEMU's `Qqemu.PhyMemMode`). The virtual clock of a machine
that never ran stands at 0, so that answers do not depend on the host.
"""

import socket
from collections.abc import Sequence

from hv.errors import ThawvisorError
from hv.qemu.process import QemuProcess
from hv.qemu.qmp import PATIENCE_S

_PACKET_BYTES = 1024
"""RAM in one packet; QEMU's packets end at 4096 characters."""


class StubError(ThawvisorError):
    """QEMU refuses an access, or cannot make one."""


class PeerGoneError(StubError):
    """QEMU ended instead of answering."""


class GdbStub:
    """The memory packets of the remote protocol, over a connected socket."""

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(PATIENCE_S)
        self._line = line
        self._buffer = bytearray()
        if self.packet("Qqemu.PhyMemMode:1") != "OK":
            raise StubError("this QEMU's gdb stub has no physical-memory mode")

    def packet(self, content: str) -> str:
        """Send a packet and return the answer's content."""
        self._line.sendall(f"${content}#{sum(content.encode()) & 0xFF:02x}".encode())
        while (answer := self._receive(content)).startswith("T"):
            pass  # the machine ran and was stopped meanwhile, by the monitor
        return answer

    def _receive(self, awaited: str) -> str:
        """Take one packet and acknowledge it."""
        while (end := self._buffer.find(b"#")) < 0 or len(self._buffer) < end + 3:
            data = self._line.recv(1 << 16)
            if not data:
                raise PeerGoneError(f"QEMU ended during {awaited!r}")
            self._buffer += data
        answer = self._buffer[self._buffer.index(b"$") + 1 : end].decode()
        del self._buffer[: end + 3]
        self._line.sendall(b"+")
        return answer

    def read(self, address: int, size: int) -> int:
        """Load `size` bytes at a physical address."""
        return int.from_bytes(self.read_bytes(address, size), "little")

    def write(self, address: int, size: int, value: int) -> None:
        """Store the low `size` bytes of `value` at a physical address."""
        self.write_bytes(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def read_ram(self, address: int, length: int) -> bytes:
        """Read RAM."""
        starts = range(address, address + length, _PACKET_BYTES)
        return b"".join(self.read_bytes(at, min(_PACKET_BYTES, address + length - at)) for at in starts)

    def write_ram(self, address: int, data: bytes) -> None:
        """Write RAM."""
        for at in range(0, len(data), _PACKET_BYTES):
            self.write_bytes(address + at, data[at : at + _PACKET_BYTES])

    def read_bytes(self, address: int, length: int) -> bytes:
        """Read a little RAM, or one register."""
        answer = self.packet(f"m{address:x},{length:x}")
        if answer.startswith("E"):
            raise StubError(f"QEMU refuses a load of {length} bytes at {address:#x}: {answer}")
        return bytes.fromhex(answer)

    def write_bytes(self, address: int, data: bytes) -> None:
        """Write a little RAM, or one register."""
        answer = self.packet(f"M{address:x},{len(data):x}:{data.hex()}")
        if answer != "OK":
            raise StubError(f"QEMU refuses a store of {len(data)} bytes at {address:#x}: {answer}")


class StoppedQemu(QemuProcess):
    """A `virt` machine that never runs an instruction.

    Args:
        arguments: further command line, for instance `-device ...`.
        ram: MiB of RAM.
        legacy: whether its virtio-mmio slots are of version 1.

    Attributes:
        bus: its physical addresses.
        serial: the far end of its UART, non-blocking.
    """

    def __init__(self, arguments: Sequence[str] = (), ram: int = 64, legacy: bool = False) -> None:
        base = (
            *("-S", "-bios", "none", "-m", f"{ram}M", "-rtc", "base=2024-01-01,clock=vm"),
            *("-gdb", "chardev:gdb", "-serial", "chardev:serial"),
        )
        super().__init__((*base, *arguments), ["gdb", "serial"], legacy)
        self.bus = GdbStub(self.sockets["gdb"])
        self.serial = self.sockets["serial"]
        self.serial.setblocking(False)
