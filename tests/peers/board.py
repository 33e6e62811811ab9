"""Two boards with the same registers: ours in this process, and QEMU's behind its gdb stub."""

import contextlib
import re
import time

from devices.clint import Clint
from devices.irq import IrqLine
from devices.mmio import MmioDevice
from devices.plic import Plic
from devices.power import Power, PowerRequest
from devices.rtc import GoldfishRtc
from devices.uart import Uart
from hv import board
from hv.conformance.ours import Wire
from hv.qemu.stopped import StoppedQemu
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu_process import find_qemu
from tests.harness.timer import StoppedTimer

MIP_SEIP, MIP_MEIP = 1 << 9, 1 << 11


class Tap:
    """A wire into a PLIC source that can be looked at on the way."""

    def __init__(self, line: IrqLine) -> None:
        self.level = False
        self._line = line

    def set_level(self, level: bool) -> None:
        """Pass the level on."""
        self.level = level
        self._line.set_level(level)


class OurBoard:
    """Our board devices wired as on the board, with virtual time at 0.

    Attributes:
        requests: what the guest asked of the power device.
        sent: what the guest sent.
    """

    def __init__(self) -> None:
        self._meip, self._seip = Wire(), Wire()
        plic = Plic(board.PLIC_SOURCES, [self._meip, self._seip])
        self.requests: list[PowerRequest] = []
        self.sent = bytearray()
        self._taps = {irq: Tap(plic.line(irq)) for irq in (board.UART.irq, board.RTC.irq)}
        self.uart = Uart(self._taps[board.UART.irq], self.sent.append)
        self._devices: list[tuple[board.Region, MmioDevice]] = [
            (board.TEST, Power(self.requests.append)),
            (board.RTC, GoldfishRtc(self._taps[board.RTC.irq], lambda: 0, lambda: None)),
            (board.CLINT, Clint(StoppedTimer(), Wire())),
            (board.PLIC, plic),
            (board.UART, self.uart),
        ]

    def read(self, address: int, size: int) -> int:
        """Load from a physical address."""
        device, offset = self._find(address)
        return device.read(offset, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Store to a physical address."""
        device, offset = self._find(address)
        device.write(offset, size, value)

    def line(self, irq: int) -> bool:
        """Whether the wire of a source is high."""
        return self._taps[irq].level

    def external_interrupts(self) -> int:
        """Return MEIP and SEIP as they stand in mip."""
        return MIP_MEIP * self._meip.level | MIP_SEIP * self._seip.level

    def _find(self, address: int) -> tuple[MmioDevice, int]:
        for region, device in self._devices:
            if region.base <= address < region.base + region.size:
                return device, address - region.base
        raise AssertionError(f"no device at {address:#x}")


class QemuBoard(StoppedQemu):
    """QEMU's board devices, with virtual time at 0."""

    def __init__(self) -> None:
        find_qemu()
        super().__init__()

    def read(self, address: int, size: int) -> int:
        """Load from a physical address."""
        return self.bus.read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Store to a physical address."""
        self.bus.write(address, size, value)

    def external_interrupts(self) -> int:
        """Return MEIP and SEIP as they stand in mip."""
        registers = self.qmp.execute("human-monitor-command", command_line="info registers")
        match = re.search(r"\bmip\s+([0-9a-f]+)", registers)
        assert match, registers
        return int(match[1], 16) & (MIP_MEIP | MIP_SEIP)

    def sent(self) -> bytes:
        """Return what the guest sent since the last call; a store sends its byte before it is answered."""
        sent = b""
        with contextlib.suppress(BlockingIOError):
            while data := self.serial.recv(1 << 16):
                sent += data
        return sent

    def wait_until(self, address: int, bit: int) -> None:
        """Load a byte until it has `bit`: input arrives when QEMU's main loop gets to it."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.read(address, 1) & bit:
            assert time.monotonic() < deadline, f"{address:#x} does not get {bit:#x}"
