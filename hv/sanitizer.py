"""The balloon sanitizer: who may touch which page when.

From the request that puts a page into the balloon until the host has acknowledged the one that takes it out,
the page is the host's: its contents are gone, and whatever the guest writes there may go too. Every access of
the guest to such a page is a finding, and so is every buffer or ring that a driver places there, because it
sends the device instead. The devices of this machine answer a request as soon as they see it, so a driver
without VIRTIO_BALLOON_F_MUST_TELL_HOST, which may use pages when it has sent the request, is judged alike.

Two more things are watched. Requests that contradict the books: pages put in twice, taken out but never put
in, outside RAM. (What had no answer, because the device broke, may be put in again.) And contents that are
gone: a page that was in the balloon has lost them, and when a kernel wakes up from an image (it passes
`hibernate_resume_entry`), the pages that the image did not bring hold whatever the boot left there. The same
goes for pages that were reported as free, unless the driver has negotiated that they keep their poison, and
for hinted ones. Reading such a page before it was written is a finding, but not where the kernel only copies
it (`COPIERS`): an image holds pages that were allocated and never used.

How: `hv.cpu.watch` reports accesses of the guest, a watcher of queues reports what devices are told to do.
Neither costs virtual time, so a sanitized run is the same run, instruction by instruction.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from devices.memory import PAGE_SIZE, GuestMemory, Pages
from devices.virtio.balloon import Balloon, BalloonQueue
from devices.virtio.device import VirtioDevice
from devices.virtio.kernels import FIRST, WRITABLE
from devices.virtio.queue import Batch, Virtqueue
from hv.backtrace import Frame, backtrace, describe_frame
from hv.balloonlog import requested_pages, requested_pfns, spanned_pages
from hv.cpu import Hart
from hv.cpu.watch import Access, AccessKind
from hv.guestpages import BooksError, Vmcoreinfo, not_in_image
from hv.pages import describe_pages
from hv.symbols import Symbols

RESUME_ENTRY = "hibernate_resume_entry"
"""Where a kernel wakes up from its image, at its physical address: all of RAM is as the image wants it."""

COPIERS = frozenset({"swsusp_save"})
"""Functions of the kernel that copy pages whatever is in them."""

_RA, _FP = 1, 8
_GIVEN, _LOST, _STALE, _REPORTED, _HINTED = range(1, 6)
"""What a page is: the host's, or back without its contents, or not brought by the image, or reported as free,
or hinted as of no use. 0 is ordinary.
"""


class Mode(Enum):
    """What becomes of a run when there is a finding."""

    STOP = "stop"  # it stops, before the access
    LOG = "log"  # it goes on


class Offence(Enum):
    """What a guest did wrong; the values are for people."""

    LOAD = "load from a ballooned page"
    STORE = "store to a ballooned page"
    FETCH = "instruction in a ballooned page"
    WALK = "page table in a ballooned page"
    DEVICE = "device told to use a ballooned page"
    LOST = "read of contents that were lost in the balloon"
    STALE = "read of contents that did not come through the image"
    REPORTED = "read of contents that were lost in a report"
    HINTED = "read of contents that were hinted away"
    DOUBLE_INFLATE = "page put into the balloon twice"
    STRAY_DEFLATE = "page taken out of the balloon, but never put in"
    OUTSIDE_RAM = "page frame number outside RAM"


_CONTENTS_GONE = {
    _LOST: Offence.LOST,
    _STALE: Offence.STALE,
    _REPORTED: Offence.REPORTED,
    _HINTED: Offence.HINTED,
}


@dataclass
class Finding:
    """One offence of one of the guest's functions; it may be committed many times.

    Attributes:
        offence: what.
        ns: virtual time of the first.
        frames: the guest's functions at the first, innermost first; for a request or a buffer those at the
            notification of the device.
        address: what the first was about: virtual for an access of the guest, else physical.
        pages: in which pages of RAM; none of them is set for OUTSIDE_RAM.
        count: how many accesses, buffers or page frame numbers.
    """

    offence: Offence
    ns: int
    frames: tuple[Frame, ...]
    address: int
    pages: Pages
    count: int = 0


class Sanitizer:
    """Watches one machine.

    Args:
        mode: what a finding does to the run.
        hart: the CPU; its `watch` is ours.
        memory: guest RAM.
        devices: all virtio devices, fresh.
        symbols: of firmware and kernel. Contents that are gone can only be told apart with the kernel's.

    Attributes:
        findings: in order of their first time.
        listeners: told of every access of the guest to a page that is not ordinary, also of what devices are
            told to read (LOAD) and to write (STORE): the page's number in RAM, and the kind.
    """

    def __init__(
        self, mode: Mode, hart: Hart, memory: GuestMemory, devices: Iterable[VirtioDevice], symbols: Symbols
    ) -> None:
        self.findings: list[Finding] = []
        self.listeners: list[Callable[[int, AccessKind], None]] = []
        self._mode = mode
        self._hart = hart
        self._memory = memory
        self._symbols = symbols
        self._stopped_by: Finding | None = None
        self._known: dict[tuple[Offence, object], Finding] = {}
        self._places: dict[int, object] = {}
        self._copying: dict[tuple[tuple[int, ...], int], bool] = {}
        self._pages = np.zeros(memory.size // PAGE_SIZE, np.uint8)
        self._unanswered: Pages = np.zeros(memory.size // PAGE_SIZE, np.bool_)
        self._balloon: Balloon | None = None
        for device in devices:
            if isinstance(device, Balloon):
                self._balloon = device
                device.watchers.append(_BalloonEye(self, device))
            else:
                device.watchers.append(_DeviceEye(self))
        hart.watch(self._pages, self._accessed)
        entry = symbols.address(RESUME_ENTRY)
        self._knows_kernel = entry is not None
        if entry is not None:
            hart.add_tracepoint(entry, self._resumed)

    def restart(self) -> None:
        """Begin anew with the host's books, as the machine was taken to another moment."""
        self.findings.clear()
        self._known.clear()
        self._pages[:] = 0
        self._unanswered[:] = False
        if self._balloon is not None:
            self._pages[self._balloon.ballooned] = _GIVEN
        self._hart.forget_translations()

    def take_stop(self) -> Finding | None:
        """Return what the run has to stop for, once."""
        finding, self._stopped_by = self._stopped_by, None
        return finding

    def functions(self, finding: Finding) -> list[str]:
        """Return the names of the guest's functions at a finding, innermost first."""
        return self._names(finding.frames)

    def _names(self, frames: Iterable[Frame]) -> list[str]:
        found = (self._symbols.function(frame.address - frame.is_return) for frame in frames)
        return [function.name for function in found if function]

    def headline(self, finding: Finding) -> str:
        """Say a finding in one line."""
        where = describe_frame(self._symbols, finding.frames[0])
        text = f"{finding.offence.value}, {finding.address:#x}, in {where}"
        if finding.pages.any():
            text += f"; {describe_pages(finding.pages, self._memory.base // PAGE_SIZE)}"
        times = f"{finding.count} times, first " if finding.count > 1 else ""
        return f"{text} ({times}at {finding.ns / 1e6:.6f} ms)"

    def report(self, finding: Finding) -> str:
        """Say a finding with its call trace."""
        trace = (f" {describe_frame(self._symbols, frame)}" for frame in finding.frames)
        return "\n".join([self.headline(finding), "Call trace:", *trace])

    def _note(self, offence: Offence, ns: int, address: int, place: object) -> Finding:
        """Count an offence of the guest as it stands; `place` tells one in the guest's code from another."""
        finding = self._known.get((offence, place))
        if finding is None:
            frames = tuple(backtrace(self._hart, self._memory, self._symbols))
            finding = Finding(offence, ns, frames, address, np.zeros(len(self._pages), np.bool_))
            self._known[offence, place] = finding
            self.findings.append(finding)
            if self._mode is Mode.STOP:
                self._stopped_by = finding
        finding.count += 1
        return finding

    def _accessed(self, access: Access) -> bool:
        """Judge an access to a page that is not ordinary; return whether to stop before it."""
        state = int(self._pages[access.page])
        offence = Offence[access.kind.name]
        if state != _GIVEN:
            if access.kind is not AccessKind.STORE and self._copies():
                return False
            self._tell(access.page, access.kind)
            self._pages[access.page] = 0
            if access.kind is AccessKind.STORE:
                return False
            offence = _CONTENTS_GONE[state]
        else:
            self._tell(access.page, access.kind)
        finding = self._note(offence, access.ns, access.address, self._place(self._hart.pc))
        finding.pages[access.page] = True
        return self._stopped_by is not None

    def _tell(self, page: int, kind: AccessKind) -> None:
        for listener in self.listeners:
            listener(page, kind)

    def _place(self, pc: int) -> object:
        """Return what tells one piece of the guest's code from another: its function, or else its page."""
        if pc not in self._places:
            function = self._symbols.function(pc)
            self._places[pc] = function.name if function else pc // PAGE_SIZE
        return self._places[pc]

    def _copies(self) -> bool:
        """Whether one of `COPIERS`, or a function that it calls (memcpy), is at work."""
        place = tuple(self._hart.x(register) for register in (_RA, _FP)), self._hart.pc
        if place not in self._copying:
            frames = backtrace(self._hart, self._memory, self._symbols)[:2]
            self._copying[place] = not COPIERS.isdisjoint(self._names(frames))
        return self._copying[place]

    def _resumed(self) -> None:
        """The kernel wakes up from its image: what it did not bring is stale."""
        try:
            stale = not_in_image(Vmcoreinfo(self._memory, self._symbols), self._symbols)
        except BooksError:
            return  # another kernel; its first own words will tell
        self._pages[stale & (self._pages != _GIVEN)] = _STALE
        self._hart.forget_translations()

    def _note_request(self, offence: Offence, pages: Pages, address: int, count: int) -> None:
        """Count an offence in what the driver has told a device."""
        frames = backtrace(self._hart, self._memory, self._symbols)
        place = tuple(frame.address for frame in frames)
        finding = self._note(offence, self._hart.now_ns, address, place)
        finding.pages |= pages
        finding.count += count - 1

    def judge_buffer(self, address: int, length: int, *, reads: bool) -> None:
        """Judge memory that a device was told to use.

        Args:
            address: guest physical, in RAM.
            length: bytes, at least one.
            reads: the device reads it; else it writes it.
        """
        first = (address - self._memory.base) // PAGE_SIZE
        last = (address + length - 1 - self._memory.base) // PAGE_SIZE
        states = self._pages[first : last + 1]
        if not states.any():
            return
        for page in np.flatnonzero(states).tolist():
            self._tell(first + page, AccessKind.LOAD if reads else AccessKind.STORE)
        for state, offence in ((_GIVEN, Offence.DEVICE), *(_CONTENTS_GONE.items() if reads else ())):
            if (states == state).any():
                pages = np.zeros(len(self._pages), np.bool_)
                pages[first : last + 1] = states == state
                self._note_request(offence, pages, address, 1)
        states[states != _GIVEN] = 0

    def judge_request(self, pfns: "np.ndarray[tuple[int], np.dtype[np.int64]]", *, inflate: bool) -> None:
        """Judge the page frame numbers of a request, and note whose the pages are now."""
        pages = pfns - self._memory.base // PAGE_SIZE
        inside = (pages >= 0) & (pages < len(self._pages))
        if not inside.all():
            outside = int(pfns[~inside][0]) * PAGE_SIZE
            nothing = np.zeros(len(self._pages), np.bool_)
            self._note_request(Offence.OUTSIDE_RAM, nothing, outside, int(np.count_nonzero(~inside)))
        times = np.bincount(pages[inside], minlength=len(self._pages))
        given = self._pages == _GIVEN
        contradicted = given & ~self._unanswered if inflate else ~given
        wrong = (times > 0) & (contradicted | (times > 1))
        if wrong.any():
            offence = Offence.DOUBLE_INFLATE if inflate else Offence.STRAY_DEFLATE
            address = self._memory.base + int(np.flatnonzero(wrong)[0]) * PAGE_SIZE
            self._note_request(offence, wrong, address, int(np.count_nonzero(wrong)))
        named = times > 0
        if inflate:
            self._pages[named] = _GIVEN
            self._unanswered |= named
            self._hart.forget_translations()
        else:
            self._pages[named & given] = _LOST if self._knows_kernel else 0

    def note_answer(self, pages: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
        """Note that the driver knows that it has put pages in, by their numbers in RAM."""
        self._unanswered[pages] = False

    def note_gone(self, batch: Batch, kept: Pages, *, hinted: bool) -> None:
        """Note that the contents of reported (or `hinted`) pages are gone, but those of the pages `kept`."""
        if self._knows_kernel:
            gone = spanned_pages(batch) & ~kept & (self._pages != _GIVEN)
            self._pages[gone] = _HINTED if hinted else _REPORTED
            self._hart.forget_translations()


class _DeviceEye:
    """Looks at the memory that a device is told to use (a `QueueWatcher`)."""

    def __init__(self, sanitizer: Sanitizer) -> None:
        self._sanitizer = sanitizer

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """Judge the ring and all buffers before the device uses them."""
        self._judge_ring(queue)
        self._judge_buffers(batch)

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """Nothing: a buffer was judged when it was taken."""

    def _judge_ring(self, queue: Virtqueue) -> None:
        for address, length in queue.layout.parts():
            self._sanitizer.judge_buffer(address, length, reads=False)

    def _judge_buffers(self, batch: Batch) -> None:
        judge = self._sanitizer.judge_buffer
        for row in range(batch.count):
            first, readable, writable = batch.chains[row, FIRST : WRITABLE + 1].tolist()
            segments = batch.segments[first : first + readable + writable].tolist()
            for n, (offset, length) in enumerate(segments):
                judge(batch.memory.base + offset, length, reads=n < readable)


class _BalloonEye(_DeviceEye):
    """Looks at what a balloon is told (a `QueueWatcher`): some of its buffers are named, not to be used."""

    def __init__(self, sanitizer: Sanitizer, balloon: Balloon) -> None:
        super().__init__(sanitizer)
        self._balloon = balloon

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """Pages are the host's from the request on."""
        self._judge_ring(queue)
        role = self._balloon.role(queue.index)
        if role not in (BalloonQueue.FREE_PAGE, BalloonQueue.REPORTING):
            self._judge_buffers(batch)
        if role is BalloonQueue.INFLATE:
            self._sanitizer.judge_request(requested_pfns(batch), inflate=True)

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """And the guest's again from the acknowledgement on; so are others, whose contents are gone."""
        role, balloon = self._balloon.role(queue.index), self._balloon
        if role is BalloonQueue.INFLATE:
            self._sanitizer.note_answer(requested_pages(batch))
        elif role is BalloonQueue.DEFLATE:
            self._sanitizer.judge_request(requested_pfns(batch), inflate=False)
        elif role is BalloonQueue.FREE_PAGE:
            self._sanitizer.note_gone(batch, ~balloon.hinted, hinted=True)
        elif role is BalloonQueue.REPORTING and not balloon.page_poison:
            self._sanitizer.note_gone(batch, balloon.ballooned, hinted=False)
