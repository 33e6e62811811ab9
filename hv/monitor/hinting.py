"""What a driver says of its free pages when it is asked (spec: balloon, "Free Page Hinting")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.memory import PAGE_SIZE
from devices.virtio.balloon.features import BalloonQueue
from devices.virtio.constants import (
    VIRTIO_BALLOON_CMD_ID_DONE,
    VIRTIO_BALLOON_CMD_ID_STOP,
    VIRTIO_BALLOON_F_FREE_PAGE_HINT,
)
from hv.cpu.watch import AccessKind
from hv.monitor.area import PATIENCE_NS
from hv.monitor.balloonqueues import CMD_ID, BalloonArea
from hv.monitor.conduct import Conduct
from hv.monitor.ring import Chain, Ring
from hv.monitor.verdicts import Book

_ID_BYTES = 4


class Hinting(BalloonArea):
    """Rounds of hints, each with a command ID."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C260": "buffers for the device to read in free_page_vq have 4 bytes",
        "C261": "pages come after the command ID that the driver has read",
        "C262": "no command ID comes twice",
        "C263": "within 120 s of reading a new command ID the driver hints a page",
        "C264": "no page comes after the driver has read STOP or DONE",
        "C265": "within 120 s of the command ID comes STOP, unless the driver has read STOP or DONE",
        "C266": "a hinted page is written to before DONE was read",
        "C267": "no hinted page is read before it was written to",
        "C268": "no hinted page is read before it was written to, while DONE was not read",
        "C276": "on the legacy interface the command ID comes back in the order that it was read in",
    }

    def __init__(self, conduct: Conduct, book: Book) -> None:
        super().__init__(conduct, book)
        self._clear()

    def _clear(self) -> None:
        self._asked = VIRTIO_BALLOON_CMD_ID_STOP
        self._current: int | None = None
        self._sent: set[int] = set()
        self._hinted: set[int] = set()

    def read(self, offset: int, size: int, value: int) -> None:
        """Note what the host asks for."""
        if (
            not self.is_balloon
            or offset != CMD_ID
            or not self.conduct.negotiated(VIRTIO_BALLOON_F_FREE_PAGE_HINT)
        ):
            return
        if value > VIRTIO_BALLOON_CMD_ID_DONE:
            if value not in self._sent:
                self.owe("C263", f"hinted nothing for command {value}", within_ns=PATIENCE_NS)
        else:
            for clause in ("C263", "C265"):
                self.forgive(clause)
        if value == VIRTIO_BALLOON_CMD_ID_DONE:
            self._hinted.clear()
        self._asked = value

    def reset(self) -> None:
        """All begins anew."""
        super().reset()
        self._clear()

    def requested(self, role: BalloonQueue, ring: Ring, chain: Chain) -> None:
        """Judge a command or pages."""
        if role is not BalloonQueue.FREE_PAGE:
            return
        command = chain.output(self.conduct.memory)
        if any(not descriptor.writable for descriptor in chain.buffers):
            self._command(command)
        pages = [descriptor for descriptor in chain.buffers if descriptor.writable]
        if pages:
            self._judge_pages()
            base = self.conduct.memory.base
            for descriptor in pages:
                first = (descriptor.addr - base) // PAGE_SIZE
                self._hinted.update(range(first, first + descriptor.length // PAGE_SIZE))

    def used(self, page: int, kind: AccessKind) -> None:
        """Judge the first access of the guest to a page that was hinted; `kind` is what the guest does."""
        if page not in self._hinted:
            return
        self._hinted.discard(page)
        written = kind is AccessKind.STORE
        for clause in ("C267", "C268"):
            self.judge(clause, written, f"{kind.name.lower()} of page {page}, which was hinted")
        if written:
            self.exercised("C266")

    def _command(self, command: bytes) -> None:
        whole = len(command) == _ID_BYTES
        self.judge("C260", whole, f"a command of {len(command)} bytes")
        if not whole:
            return
        number = int.from_bytes(command, "little")
        if number == VIRTIO_BALLOON_CMD_ID_STOP:
            self._current = None
            self.paid("C265")
            return
        self.judge("C262", number not in self._sent, f"sent command {number} twice")
        if self.conduct.legacy:
            self.judge(
                "C276", number == self._asked, f"sent command {number:#x} when {self._asked:#x} was asked"
            )
        self._sent.add(number)
        self._current = number
        self.owe("C265", f"did not end the round of command {number}", within_ns=PATIENCE_NS)

    def _judge_pages(self) -> None:
        self.paid("C263")
        stopped = self._asked <= VIRTIO_BALLOON_CMD_ID_DONE
        self.judge("C264", not stopped, f"hinted pages though command {self._asked} was read")
        if not stopped:
            wrong = f"hinted pages under command {self._current}, {self._asked} was asked"
            self.judge("C261", self._current == self._asked, wrong)
