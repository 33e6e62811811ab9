"""Where the machines of a world are: here, or on QEMU.

`GuestMachine` is all that a run needs of a machine. Here it is `hv.machine.Machine`, and a run can see and do
everything else too; elsewhere what is not in it is not to be had, and who asks for it is told so.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from devices.virtio.backends import PowerCutBackend
from hv.books import Host
from hv.config import Disk, MachineConfig
from hv.console import Console, Terminal
from hv.hibernate import Carrier, thaw
from hv.machine import Machine
from hv.shell import Runner


class CannotError(Exception):
    """A scenario asks for what there is not in the place where it runs; the text names it."""


class GuestMachine(Runner, Host, Protocol):
    """A machine with a guest in it: one that runs, and has a host. A context manager; leaving it ends it.

    Its time (`now_ns`) is its own: virtual here, elsewhere the time for which it ran. What its host does not
    know of balloon and memory raises CannotError.
    """

    @property
    def console(self) -> Console:
        """What the guest printed on the UART."""

    @property
    def serial(self) -> Terminal:
        """The UART."""

    @property
    def channel(self) -> Terminal | None:
        """The virtio-console."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None: ...

    def at(self, ns: int, action: Callable[[], None]) -> None:
        """Have the host do something at a time of this machine."""

    def set_balloon_target(self, pages: int) -> None:
        """Set the host's target."""


class Medium(Protocol):
    """What is on a machine's disk."""

    @property
    def data(self) -> bytes | bytearray:
        """All of it."""

    def close(self) -> None:
        """Give it up."""


class Place(Protocol):
    """Makes machines.

    Attributes:
        name: what messages call it.
        carriers: who can carry a guest's image there.
    """

    name: str
    carriers: tuple[Carrier, ...]

    def require(self) -> None:
        """Raise HostError unless there are machines."""

    def disk(
        self, data: bytes, folder: Path, cut_at: int | None, fail_at: Iterable[int], /
    ) -> tuple[Disk, Medium]:
        """Make a disk of these contents; the power goes, or an error comes, at numbered operations."""

    def machine(self, config: MachineConfig, host_image: Path | None, /) -> GuestMachine:
        """Make a machine that has run nothing yet, with the RAM of a host image if there is one."""


class Here:
    """Machines of this package, in this process."""

    name = "here"
    carriers = tuple(Carrier)

    def require(self) -> None:
        """See `Place`; there always are."""

    def disk(
        self, data: bytes, _folder: Path, cut_at: int | None, fail_at: Iterable[int]
    ) -> tuple[Disk, Medium]:
        """See `Place`; operations are writes and flushes, counted together from 1."""
        backend = PowerCutBackend(data, cut_at, fail_at)
        return Disk(Path("disk"), slot=0, backend=backend), backend

    def machine(self, config: MachineConfig, host_image: Path | None) -> GuestMachine:
        """See `Place`."""
        return Machine(config) if host_image is None else thaw(host_image, config)
