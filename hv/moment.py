"""A moment of a machine, kept in memory: what any number of machines can go on from (`Machine.fork`).

RAM and disks are frozen copies (`devices.frozen`), so neither the machine that it was taken from nor one that
goes on from it can change it. It is plain data; a moment on disk is a snapshot (`hv.snapshot`).
"""

from dataclasses import dataclass

from devices.frozen import Frozen
from devices.memory import PAGE_SIZE, GuestMemory, runs
from devices.state import State


@dataclass(frozen=True)
class Moment:
    """A machine as it stood.

    Attributes:
        state: what `Machine.save` said.
        ram: RAM.
        disks: the disks, in the order of the configuration.
    """

    state: State
    ram: Frozen
    disks: tuple[Frozen, ...]


def freeze_ram(memory: GuestMemory) -> Frozen:
    """Copy what RAM holds.

    Args:
        memory: RAM of a machine that stands still.

    Raises:
        DeviceError: the host has no memory for it.
    """
    spans = ((first * PAGE_SIZE, end * PAGE_SIZE) for first, end in runs(memory.held()))
    return Frozen(memory.size, ((start, memory.ram[start:end].data) for start, end in spans))
