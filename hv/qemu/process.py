"""A QEMU process and the sockets to it.

Sockets are pairs made here and handed to QEMU as file descriptors, so there is nothing to wait for and
nothing in the file system.
"""

import ctypes
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Self

from hv.errors import HostError
from hv.qemu.qmp import PATIENCE_S, Qmp

BINARY = "qemu-system-riscv64"

_PR_SET_THP_DISABLE, _PR_GET_THP_DISABLE = 41, 42


def find_qemu() -> str:
    """Return QEMU's path; raises HostError."""
    path = shutil.which(BINARY)
    if path is None:
        raise HostError(f"{BINARY} is not installed (Debian: apt install qemu-system-misc)")
    return path


@contextmanager
def _huge_pages_disabled() -> Iterator[None]:
    """Have processes that are started now get no huge pages (prctl(2), PR_SET_THP_DISABLE: inherited)."""
    prctl = ctypes.CDLL(None).prctl
    before = prctl(_PR_GET_THP_DISABLE, 0, 0, 0, 0)
    prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_THP_DISABLE, before, 0, 0, 0)


class QemuProcess:
    """A running QEMU `virt` machine and its QMP session. A context manager; leaving it ends QEMU.

    Args:
        arguments: further command line; `chardev:NAME` in it is the socket of that name.
        sockets: names of the sockets to make besides `qmp`.
        legacy: whether its virtio-mmio slots are of version 1.
        small_pages: whether the host backs its memory with pages of 4 KiB only. Else it may fill pages that
            were given back again, when it makes a huge page of what is around them.

    Attributes:
        qmp: the QMP session.
        sockets: our ends, by name.
        complaints: what QEMU wrote to its standard error; known once it has ended.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        sockets: Sequence[str],
        legacy: bool = False,
        small_pages: bool = False,
    ) -> None:
        command = [find_qemu(), "-machine", "virt", "-display", "none", "-nodefaults"]
        command += ["-global", f"virtio-mmio.force-legacy={str(legacy).lower()}"]
        command += ["-mon", "chardev=qmp,mode=control"]
        pairs = {name: socket.socketpair() for name in ("qmp", *sockets)}
        for name, (_, theirs) in pairs.items():
            command += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
        self.complaints = ""
        self.sockets = {name: ours for name, (ours, _) in pairs.items()}
        with _huge_pages_disabled() if small_pages else nullcontext():
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno() for _, theirs in pairs.values()],
            )
        for _, theirs in pairs.values():
            theirs.close()
        try:
            self.qmp = Qmp(self.sockets["qmp"])
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
        if error is not None and self.complaints:
            error.add_note(f"QEMU said: {self.complaints}")

    def close(self) -> None:
        """End QEMU, whatever it is doing."""
        self._process.kill()
        _, complaints = self._process.communicate()
        self.complaints = complaints.decode("utf-8", "replace").strip()
        for ours in self.sockets.values():
            ours.close()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def reset(self) -> None:
        """Reset the machine as its reset button does; a stopped machine stays stopped."""
        self.qmp.execute("system_reset")
        self.qmp.wait_event("RESET")

    def wait_exit(self) -> int:
        """Wait until QEMU ends by itself; return its exit status. Raises subprocess.TimeoutExpired."""
        return self._process.wait(PATIENCE_S)
