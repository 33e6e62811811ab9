"""Hibernation to the platform: S4 as the host sees it, whole machines on both sides.

The guest freezes its tasks and devices and asks the firmware to sleep (SBI SUSP); the firmware writes the
platform-sleep register, and the machine stops with HIBERNATE. `write_host_image` keeps its RAM
(`hv.hostimage`). A machine that `thaw` makes has that RAM and fresh devices: no page is ballooned, no queue
set up, virtual time starts at 0. It comes out of reset like any other; the firmware finds its own mark in
RAM and resumes the guest.
"""

from enum import Enum
from pathlib import Path

import numpy as np

from hv import board
from hv.config import MachineConfig
from hv.hostimage.format import Header
from hv.hostimage.reader import open_image
from hv.hostimage.writer import write_image
from hv.machine import Machine


class Carrier(Enum):
    """Who carries the S4 image across the power-off."""

    SWAP = "swap"  # the guest writes it to swap on virtio-blk
    HOST = "host"  # the platform keeps RAM in a host image (SBI SUSP)


def write_host_image(machine: Machine, path: Path) -> Header:
    """Write the RAM of a machine that stopped with HIBERNATE to a host image.

    Args:
        machine: the machine; it stays as it is.
        path: the image; what is there is replaced in one step.

    Returns:
        What was written.

    Raises:
        HostError: it cannot be written.
        ImageError: a disk cannot be read.
    """
    balloon = machine.balloon
    ballooned = (
        np.zeros(machine.config.ram // board.PAGE_SIZE, np.bool_) if balloon is None else balloon.ballooned
    )
    return write_image(path, machine.memory, ballooned, machine.identity(), machine.now_ns)


def thaw(path: Path, config: MachineConfig) -> Machine:
    """Return a machine that is about to resume from a host image.

    Args:
        path: the image; it stays as it is, and can be thawed again while its disks are the same.
        config: the machine; `initrd` and `append` do not matter.

    Raises:
        ImageError: the image is damaged, or of another machine, or a disk is not as it was.
        ConfigError: the machine's parts do not fit together.
        HostError: the host cannot run it.
    """
    with open_image(path) as image:
        machine = Machine(config, image.load(config.ram))
        try:
            # Only now are the disks locked, so nobody changes them between this look and the guest's first.
            image.check(machine.identity())
        except BaseException:
            machine.close()
            raise
    return machine
