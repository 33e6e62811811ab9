"""The monitor of one machine: an observer at every slot, and one book for all of them."""

from collections.abc import Mapping

from devices.memory import GuestMemory
from devices.virtio.balloon import Balloon
from devices.virtio.slot import Slot
from devices.virtio.transport import Transport
from hv.backtrace import backtrace, describe_frame
from hv.cpu import Hart
from hv.cpu.watch import AccessKind
from hv.monitor.area import Area
from hv.monitor.clauses import AREAS
from hv.monitor.conduct import Conduct
from hv.monitor.observer import Observer
from hv.monitor.verdicts import Book, Verdicts
from hv.symbols import Symbols


class Monitor:
    """Watches the drivers of one machine; it changes nothing, and costs no virtual time.

    Args:
        slots: the machine's virtio slots, by what reports call them.
        book: where verdicts go.
        memory: guest RAM.
    """

    def __init__(self, slots: Mapping[str, Slot], book: Book, memory: GuestMemory) -> None:
        self._book = book
        self._memory = memory
        self._slots = slots
        self._observers: dict[str, Observer] = {}
        self._of_balloons: list[Observer] = []
        for name, slot in slots.items():
            conduct = Conduct(memory, name)
            observer = self._observers[name] = Observer(conduct, self._areas(conduct))
            slot.watchers.append(observer)
            if isinstance(slot, Transport):
                slot.device.watchers.append(observer)
                if isinstance(slot.device, Balloon):
                    self._of_balloons.append(observer)

    @property
    def verdicts(self) -> Verdicts:
        """What was seen up to now; what is overdue is judged first."""
        for observer in self._observers.values():
            observer.settle()
        return self._book.verdicts

    def look(self) -> None:
        """Take note of what is in the rings.

        To be called before the devices work, who then change what they wish to be told of, and when they have
        worked, for what they have given back.
        """
        for observer in self._observers.values():
            observer.look()

    def used(self, page: int, kind: AccessKind) -> None:
        """Take note that the guest accesses a page that is not ordinary: the sanitizer tells."""
        for observer in self._of_balloons:
            observer.used(page, kind)

    def meet(self) -> None:
        """Take over drivers that are in the middle of their life, from the state of their devices.

        The machine was thawed, or taken to another moment. What was seen before stays seen.
        """
        for name, slot in self._slots.items():
            if not isinstance(slot, Transport):
                continue
            conduct = Conduct(self._memory, name)
            conduct.adopt((slot.read_magic_value(), slot.version, slot.device_id), slot.offered, slot.save())
            self._observers[name].begin(conduct, self._areas(conduct))
            if isinstance(slot.device, Balloon):
                self._observers[name].adopt(slot.device.ballooned)

    def _areas(self, conduct: Conduct) -> list[Area]:
        return [area(conduct, self._book) for area in AREAS]


def guest_book(hart: Hart, memory: GuestMemory, symbols: Symbols) -> Book:
    """Return a book whose entries have a hart's virtual time, and the call trace of its guest."""

    def where() -> tuple[str, ...]:
        return tuple(describe_frame(symbols, frame) for frame in backtrace(hart, memory, symbols))

    return Book(lambda: hart.now_ns, where)
