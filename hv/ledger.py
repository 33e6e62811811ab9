"""The ledger: for every guest page at a moment, what each side's books say of it, and where they differ.

The guest's side is read from its memory (`hv.guestpages`), the host's from the balloon device and the memory;
`hv.balloonlog` says which of the guest's functions asked for what. An entry can be taken at any moment that
is not in the middle of a request. Totals are `hv.books`'; here are the pages.

Nothing is compared with an earlier entry: what is wrong is wrong at one moment.

- double-owned: in the balloon for one side and not for the other, which uses it or will; or hinted away for
  the host, and free in the guest;
- stale: in the balloon for the guest, while this host was never given it: a book of an earlier life;
- lost: contents that the guest counts on are gone. It gave away or reported as free a page that it had in
  use, or woke up without a page that was in use when it went to sleep;
- leaked: in use and nobody's, or in the balloon and forgotten by its driver: no pointer leads to it
  (`hv.reach`).
"""

from enum import Enum
from typing import NamedTuple

import numpy as np

from devices.memory import PAGE_SIZE, Pages
from devices.virtio.balloon import BalloonQueue
from devices.virtio.queue import Batch, Virtqueue
from hv.balloonlog import BalloonLog, requested_pages, spanned_pages
from hv.guestpages import BooksError, GuestPages, Vmcoreinfo, reachable_pages, snapshot_pages
from hv.machine import Machine
from hv.modules import symbols_of
from hv.pages import describe_pages
from hv.sanitizer import RESUME_ENTRY


class Kind(Enum):
    """How the two sides' books can differ."""

    DOUBLE_OWNED = "double-owned"
    STALE = "stale"
    LOST = "lost"
    LEAKED = "leaked"


class Entry(NamedTuple):
    """Both sides at one moment; one flag a page of RAM.

    Attributes:
        label: what had just happened.
        ns: virtual time of the machine.
        guest: the guest's books; None while they cannot be read, as in early boot.
        ballooned: the host was given the page and has not given it back.
        hinted: the guest has said that it has no use for the page, and has not written to it since.
        backed: the host holds memory for the page.
        returned: the page was ballooned in this machine's life, and the guest has it back.
        saved: in the snapshot that the guest has taken for its image; none when it has taken no snapshot.
    """

    label: str
    ns: int
    guest: GuestPages | None
    ballooned: Pages
    hinted: Pages
    backed: Pages
    returned: Pages
    saved: Pages


class Finding(NamedTuple):
    """A difference.

    Attributes:
        kind: its name.
        label: the entry that it was found in.
        ns: virtual time at which the pages were last moved; of the entry where nobody was seen to.
        pages: which pages of RAM.
        functions: the guest's functions that moved them, innermost first.
        text: all of it in one line.
    """

    kind: Kind
    label: str
    ns: int
    pages: Pages
    functions: tuple[str, ...]
    text: str


class Ledger:
    """The ledger of one machine, from now on; the machine must have a balloon.

    Args:
        machine: it.

    Attributes:
        symbols: of its firmware and kernel.
        entries: what was entered.
        log: the driver's requests.
    """

    def __init__(self, machine: Machine) -> None:
        assert machine.balloon is not None
        config = machine.config
        self.symbols = symbols_of((config.bios, config.kernel), machine.hart, machine.memory)
        self.entries: list[Entry] = []
        self._machine = machine
        self._balloon = machine.balloon
        self._findings: list[Finding] = []
        self._known: dict[tuple[Kind, str], Pages] = {}
        self._lost = self._nothing()
        self._balloon.watchers.append(self)
        self.log = BalloonLog(self._balloon, machine.hart, machine.memory, self.symbols)
        entry = self.symbols.address(RESUME_ENTRY)
        if entry is not None:
            machine.hart.add_tracepoint(entry, self._woken)

    def entry(self, label: str) -> Entry:
        """Enter this moment, and look for differences.

        Args:
            label: what has just happened.
        """
        machine = self._machine
        ballooned = self._balloon.ballooned.copy()
        info, guest, saved = self._info(), None, None
        if info is not None:
            try:
                guest = GuestPages.read(info)
                saved, _ = snapshot_pages(info, self.symbols)
            except BooksError:
                guest = None
        requested = self._nothing()
        for request in self.log.requests:
            requested[request.pages] = True
        entry = Entry(
            label=label,
            ns=machine.now_ns,
            guest=guest,
            ballooned=ballooned,
            hinted=self._balloon.hinted,
            backed=machine.memory.held(),
            returned=requested & ~ballooned,
            saved=self._nothing() if saved is None else saved,
        )
        self.entries.append(entry)
        if info is not None and guest is not None:
            self._compare(entry, guest, info, requested)
        return entry

    def findings(self) -> list[Finding]:
        """Return what was found in the entries until now; each page once a kind, until it is right again."""
        return list(self._findings)

    # What the log alone shows (a `QueueWatcher`).

    def taken(self, queue: Virtqueue, batch: Batch) -> None:
        """See whether the guest gives away what it uses, or reports as free what is not."""
        info, role = self._info(), self._balloon.role(queue.index)
        reported = role is BalloonQueue.REPORTING and not self._balloon.poison_val
        if info is None or not (reported or role is BalloonQueue.INFLATE):
            return
        try:
            used = GuestPages.read(info).used
        except BooksError:
            return
        pages = spanned_pages(batch) if reported else self._nothing()
        if not reported:
            pages[requested_pages(batch)] = True
        self._lost |= pages & used

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """Nothing: a request is judged when it comes."""

    # Inside.

    def _nothing(self) -> Pages:
        return np.zeros(self._machine.memory.size // PAGE_SIZE, np.bool_)

    def _info(self) -> Vmcoreinfo | None:
        try:
            return Vmcoreinfo(self._machine.memory, self.symbols)
        except BooksError:
            return None

    def _woken(self) -> None:
        """The kernel wakes up: all that it had in use must be in its image, but for the snapshot's copies."""
        info = self._info()
        try:
            if info is not None:
                saved, copies = snapshot_pages(info, self.symbols)
                if saved is not None and copies is not None:
                    self._lost |= GuestPages.read(info).used & ~saved & ~copies
        except BooksError:
            return

    def _compare(self, entry: Entry, guest: GuestPages, info: Vmcoreinfo, requested: Pages) -> None:
        theirs, ours = guest.offline, entry.ballooned & guest.ram
        self._find(Kind.DOUBLE_OWNED, entry, ours & guest.free, "the host's, and free in the guest")
        self._find(
            Kind.DOUBLE_OWNED, entry, ours & ~theirs & ~guest.free, "the host's, and in use in the guest"
        )
        text = "in the guest's balloon, and not in the host's"
        self._find(Kind.DOUBLE_OWNED, entry, theirs & ~entry.ballooned & requested, text)
        text = "in the guest's balloon, and this host was never given it"
        self._find(Kind.STALE, entry, theirs & ~entry.ballooned & ~requested, text)
        text = "hinted, and free in the guest without having been written to"
        self._find(Kind.DOUBLE_OWNED, entry, entry.hinted & guest.free, text)
        text = "the guest counts on its contents, and they are gone"
        self._find(Kind.LOST, entry, self._lost, text)
        try:
            known = self._reached(guest, info)
        except BooksError:
            return
        self._find(Kind.LEAKED, entry, guest.used & ~known, "in use, and nobody knows of it")
        self._find(Kind.LEAKED, entry, theirs & ~known, "in the balloon, and its driver has forgotten it")

    def _reached(self, guest: GuestPages, info: Vmcoreinfo) -> Pages:
        registers = np.array([self._machine.hart.x(i) for i in range(32)], np.uint64).view(np.int64)
        known = reachable_pages(info, guest, registers)
        _, copies = snapshot_pages(info, self.symbols)
        return known if copies is None else known | copies

    def _find(self, kind: Kind, entry: Entry, pages: Pages, text: str) -> None:
        """Enter findings for pages that were right in the last entry, one for each mover of them."""
        new = pages & ~self._known.get((kind, text), self._nothing())
        self._known[kind, text] = pages.copy()
        for blame in self.log.blame(new):
            names = [self.symbols.function(frame.address - frame.is_return) for frame in blame.frames]
            functions = tuple(name.name for name in names if name)
            ns = blame.ns if blame.frames else entry.ns
            where = describe_pages(blame.pages, self._machine.memory.base // PAGE_SIZE)
            by = f" (last moved at {ns / 1e6:.6f} ms by {' < '.join(functions)})" if functions else ""
            line = f"{entry.label}: {kind.value}: {where}: {text}{by}"
            self._findings.append(Finding(kind, entry.label, ns, blame.pages, functions, line))
