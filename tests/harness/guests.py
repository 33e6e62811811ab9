"""Both guests on QEMU: how each is booted there, and its words on the serial line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hv import board
from hv.images import FIRMWARE, GUEST
from hv.linux.kit import Kit
from tests.harness.qemu import Qemu

LIKE_OURS = (
    "-cpu",
    "rv64,h=false,sstc=false," + ",".join(f"{name}=false" for name in ("zba", "zbb", "zbc", "zbs")),
)
"""A hart with no more instructions than ours, so that Linux patches none into its code."""

_LINUX_WORDS = "no_console_suspend loglevel=4 resume=/dev/vda no4lvl initcall_blacklist=gen_pci_driver_init"
"""Sv39, and no PCI host bridge: our board has none, and a resumed driver would look for it."""


class QemuGuest(NamedTuple):
    """A kernel on QEMU.

    Attributes:
        name: "toy" or "linux".
        kernel: its image.
        initrd: its initial RAM disk, or None.
        ram: bytes.
        append: kernel command line.
        prompt: what a fresh boot ends with on the serial line.
        greeting: what is typed then for a shell with the toy kernel's protocol.
        swap: commands that make swap and use it.
        touch: command that fills pages.
        verify: command whose `fingerprint` proves them.
        hibernate: command.
    """

    name: str
    kernel: Path
    initrd: Path | None
    ram: int
    append: str
    prompt: str
    greeting: str
    swap: tuple[str, ...]
    touch: str
    verify: str
    hibernate: str

    @contextmanager
    def machine(self, disk: Path | None) -> Iterator[Qemu]:
        """Power a machine on."""
        arguments = LIKE_OURS if self.name == "linux" else ()
        with Qemu(
            FIRMWARE,
            self.kernel,
            self.ram,
            append=self.append,
            initrd=self.initrd,
            disk=disk,
            arguments=arguments,
        ) as qemu:
            yield qemu

    def boot(self, qemu: Qemu) -> None:
        """Wait for a fresh boot, and have the shell ready."""
        qemu.console.expect(self.prompt)
        if self.greeting:
            qemu.console.send(self.greeting)
            qemu.console.wait_for_prompt()


def toy() -> QemuGuest:
    """Return the toy kernel."""
    return QemuGuest(
        "toy",
        GUEST,
        None,
        96 * board.MIB,
        "balloon.policy=e3",
        r"(?m)^thaw:0> ",
        "",
        ("mkswap", "swapon"),
        "touch 1000",
        "verify",
        "hibernate swap",
    )


def linux(kit: Kit) -> QemuGuest:
    """Return Debian's Linux."""
    return QemuGuest(
        "linux",
        kit.kernel,
        kit.initrd,
        512 * board.MIB,
        _LINUX_WORDS,
        re.escape("~ # "),
        "exec /bin/channel\n",
        ("mkswap /dev/vda", "swapon /dev/vda"),
        "fill_pages 1000",
        "workload",
        "echo shutdown >/sys/power/disk; echo disk >/sys/power/state",
    )
