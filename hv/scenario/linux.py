"""Linux as a guest of scenarios: Debian's kernel from a kit, spoken to over its virtio-console.

The channel's shell speaks the toy kernel's protocol (`hv.shell`), with words of its own
(`hv/linux/rootfs/words`). A failed write to a file of the kernel's has its errno in the message, which
becomes the status, as with the toy kernel. What Linux does not tell is None in its books.
"""

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from hv import board
from hv.books import GuestBooks
from hv.config import MachineConfig
from hv.errors import ConfigError
from hv.hibernate import Carrier
from hv.linux.kit import Kit, default_folder
from hv.scenario.place import GuestMachine
from hv.shell import Reply, Shell, Workload
from hv.stop import Stop

_COMMAND_LINE = "no_console_suspend resume=/dev/vda"
_ERRORS = {os.strerror(number): number for number in errno.errorcode}
_ERROR = re.compile(r"error: (.+)$")


class LinuxGuest:
    """Debian's Linux.

    Args:
        machine: a machine that boots it.
    """

    ram: ClassVar = 512 * board.MIB
    own_pages: ClassVar = 2048  # its page cache, slabs and per-process memory come and go
    eras: ClassVar[tuple[str, ...]] = ("e3",)
    carriers: ClassVar[tuple[Carrier, ...]] = (Carrier.SWAP,)
    breaks: ClassVar[Mapping[str, str]] = {
        "C034": "vm_reset writes 0 to Status and goes on; it does not read it back",
        "C066": "the balloon's init_vqs kicks the statistics queue, and DRIVER_OK comes behind it",
    }

    def __init__(self, machine: GuestMachine) -> None:
        self._machine = machine
        assert machine.channel is not None, "`prepare` asks for one"
        self._shell = Shell(machine, machine.channel)

    @staticmethod
    def require() -> None:
        """See `Guest`."""
        kit = Kit(default_folder())
        if not kit.complete:
            raise ConfigError(f"no Linux in {kit.folder}: run `thawvisor linux fetch` first")

    @staticmethod
    def prepare(config: MachineConfig, era: str) -> MachineConfig:
        """See `Guest`; the era is that of Debian's driver, whatever is asked for.

        Raises:
            ConfigError: there is no kit.
        """
        LinuxGuest.require()
        kit = Kit(default_folder())
        return replace(
            config,
            kernel=kit.kernel,
            initrd=kit.initrd,
            append=f"{_COMMAND_LINE} {config.append}".strip(),
            virtio_console=True,
            rng_seed=1,
        )

    def until_prompt(self) -> Stop:
        """See `Guest`."""
        return self._shell.wait_for_prompt()

    def shell(self, line: str) -> Reply:
        """See `Guest`."""
        self.type(line)
        return self.reply()

    def type(self, line: str) -> None:
        """See `Guest`."""
        self._shell.enter(line)

    def reply(self) -> Reply:
        """See `Guest`."""
        reply = self._shell.reply()
        error = _ERROR.search(reply.lines[-1]) if reply.status and reply.lines else None
        return replace(reply, status=-_ERRORS.get(error[1], reply.status)) if error else reply

    def hibernate_command(self, carrier: Carrier) -> str:
        """See `Guest`; Linux carries its image itself.

        Raises:
            ConfigError: the platform is to carry it.
        """
        if carrier is not Carrier.SWAP:
            raise ConfigError("Linux hibernates to swap only: choose --carrier swap")
        return "echo shutdown >/sys/power/disk; echo disk >/sys/power/state"

    def swap_commands(self) -> tuple[str, ...]:
        """See `Guest`."""
        return "mkswap /dev/vda", "swapon /dev/vda"

    def swap_off_command(self) -> str:
        """See `Guest`."""
        return "swapoff /dev/vda"

    def touch(self, pages: int) -> Reply:
        """See `Guest`."""
        return self.shell(f"fill_pages {pages}")

    def release(self) -> Reply:
        """See `Guest`."""
        return self.shell("release_pages")

    def verify(self) -> Reply:
        """See `Guest`."""
        return self.shell("workload")

    def workload(self, reply: Reply) -> Workload:
        """See `Guest`."""
        return Workload.of(reply)

    def resumed(self) -> bool:
        """See `Guest`."""
        text = self._machine.console.text()
        return "PM: Image loading done" in text and "PM: hibernation: hibernation exit" in text

    def books(self) -> GuestBooks:
        """See `Guest`."""
        reply = self.shell("books")
        return GuestBooks(
            totalram=reply.number("totalram_pages"),
            free=reply.number("free_pages"),
            touched=reply.number("touched_pages"),
            offline=reply.number("offline_pages"),
            num_pages=reply.number("num_pages"),
            actual=None,
            target=None,
        )
