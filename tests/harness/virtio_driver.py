"""The conformance suite's driver on a slot of ours, whose insides unit tests look into."""

from hv.conformance.driver import F_VERSION_1, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK
from hv.conformance.driver import Driver as ConformanceDriver
from hv.conformance.dut import RAM_BASE, RAM_SIZE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer, Ring

__all__ = [
    "F_VERSION_1",
    "RAM_BASE",
    "RAM_SIZE",
    "S_DRIVER",
    "S_DRIVER_OK",
    "S_FEATURES_OK",
    "Buffer",
    "Driver",
    "Ring",
    "Slot",
]


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
