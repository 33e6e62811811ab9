"""The conformance suite's driver on a slot of ours, whose insides unit tests look into."""

from hv.conformance.driver import Driver as ConformanceDriver
from hv.conformance.ours import Slot


class Driver(ConformanceDriver):
    """A driver of a device of ours, by the slot's interface.

    Attributes:
        slot: the device under test.
        memory: its RAM.
    """

    def __init__(self, slot: Slot) -> None:
        super().__init__(slot, interface="legacy" if slot.mmio.version == 1 else "modern")
        self.slot = slot
        self.memory = slot.memory
