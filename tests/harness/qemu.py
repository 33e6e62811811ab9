"""QEMU as a peer: the same firmware and guest on someone else's machine."""

import time
from collections.abc import Sequence
from pathlib import Path

from hv import board
from tests.harness.console import SerialConsole
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu_process import QemuProcess


class Qemu(QemuProcess):
    """A machine with our board's devices in our board's places, booting `guest` through `firmware`.

    Args:
        firmware: what `-bios` gets.
        guest: what `-kernel` gets, or None.
        ram: bytes.
        append: kernel command line.
        initrd: initial RAM disk, or None.
        disk: raw image behind virtio-blk in slot 0, or None for no disk.
        balloon: whether there is a virtio-balloon, in slot 1.
        balloon_options: the device's options, each with a comma before it; "io" is an I/O thread.
        legacy: whether the slots have the legacy interface.
        icount: value of `-icount`, for runs in virtual time; None runs in real time.
        paused: stand still until QMP's `cont`.
        arguments: more of its command line.

    Attributes:
        console: the serial line.
    """

    def __init__(
        self,
        firmware: Path,
        guest: Path | None,
        ram: int = 128 * board.MIB,
        *,
        append: str = "",
        initrd: Path | None = None,
        disk: Path | None = None,
        balloon: bool = True,
        balloon_options: str = "",
        legacy: bool = False,
        icount: str | None = None,
        paused: bool = False,
        arguments: Sequence[str] = (),
    ) -> None:
        arguments = [
            *arguments,
            "-bios",
            str(firmware),
            "-m",
            f"{ram // board.MIB}M",
            "-serial",
            "chardev:serial",
        ]
        if guest is not None:
            arguments += ["-kernel", str(guest), "-append", append]
        if initrd is not None:
            arguments += ["-initrd", str(initrd)]
        if disk is not None:
            arguments += ["-drive", f"if=none,id=disk,format=raw,file={str(disk).replace(',', ',,')}"]
            arguments += ["-device", "virtio-blk-device,drive=disk,bus=virtio-mmio-bus.0"]
        if balloon:
            device = "virtio-balloon-device,id=balloon0,bus=virtio-mmio-bus.1"
            arguments += ["-object", "iothread,id=io", "-device", device + balloon_options]
        if icount is not None:
            arguments += ["-icount", icount]
        if paused:
            arguments.append("-S")
        self.ram = ram
        super().__init__(arguments, ["serial"], legacy)
        self.console = SerialConsole(self.sockets["serial"])

    def wait_exit(self) -> int:
        """Wait until QEMU ends by itself, taking what the guest still prints; return its exit status."""
        self.console.wait_closed()
        return super().wait_exit()

    def set_balloon(self, pages: int) -> None:
        """Ask the guest for a balloon of `pages`; QEMU's own figure is the RAM that remains, in bytes."""
        self.qmp.execute("balloon", value=self.ram - pages * board.PAGE_SIZE)

    def query_balloon(self) -> int:
        """Return the pages in the balloon, as the guest last reported them in its `actual` field."""
        remaining: int = self.qmp.execute("query-balloon")["actual"]
        return (self.ram - remaining) // board.PAGE_SIZE

    def wait_balloon(self, pages: int) -> None:
        """Wait until the guest reports `pages` in the balloon. QEMU's own event for it comes once a second.

        Raises:
            TimeoutError: it goes on to report another number.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (actual := self.query_balloon()) != pages:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the balloon stays at {actual} pages, not {pages}")
