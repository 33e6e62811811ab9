"""What only a device that misbehaves can show of a driver: the toy guest's, on devices that do.

The rest of the driver clauses is seen by the monitor (`thawvisor run --monitor`) while devices behave.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_FAILED,
    VIRTIO_CONFIG_S_NEEDS_RESET,
)
from hv.config import MachineConfig
from hv.conformance.marks import clauses
from hv.machine import Machine
from hv.misbehave import fault
from hv.shell import GuestShell

RAM = 64 << 20
TARGET = 1500
SECOND = 10**9
PATIENCE = 60 * SECOND


@contextmanager
def booted(*faults: str, **parts: object) -> Iterator[Machine]:
    """Boot the toy guest on devices with faults."""
    read = tuple(fault(each) for each in faults)
    with Machine(MachineConfig(ram=RAM, misbehave=read, **parts)) as machine:
        GuestShell(machine).wait_for_prompt()
        yield machine


def lives(machine: Machine) -> None:
    """The guest still gives its pages and takes them back, and its memory is intact."""
    shell = GuestShell(machine)
    assert shell.command("touch 4M").status == 0
    for pages in (TARGET, 0):
        machine.set_balloon_target(pages)
        until = machine.now_ns + PATIENCE
        while machine.now_ns < until and ballooned(machine) != (pages, pages):
            machine.run(machine.now_ns + SECOND // 10)
        assert ballooned(machine) == (pages, pages)
    assert shell.command("verify").number("bad_pages") == 0


def ballooned(machine: Machine) -> tuple[int, int]:
    """Pages in the balloon as the driver says, and as the host has it."""
    assert machine.balloon is not None
    return machine.balloon.actual_pages, int(machine.balloon.ballooned.sum())


def status(machine: Machine) -> int:
    """The balloon's device status."""
    saved = machine.save()[f"virtio{machine.config.balloon_slot}"]["status"]
    assert isinstance(saved, int)
    return saved


@clauses("C004")
@pytest.mark.parametrize("request_number", [1, 3])
def test_a_request_that_a_broken_device_has_is_not_counted_on(request_number: int) -> None:
    """The device carries a request out, does not answer, and needs a reset: the driver begins anew."""
    with booted(f"balloon:needs-reset-after@{request_number}") as machine:
        lives(machine)
        assert not status(machine) & VIRTIO_CONFIG_S_NEEDS_RESET


@clauses("C016")
def test_a_feature_that_is_not_offered_is_done_without() -> None:
    """Without any of the balloon's features, and without the ring's, the driver works."""
    bits = (28, 29, 35, 38, 40, 43)
    with booted(
        *(f"balloon:features-withdrawn={bit}" for bit in bits), balloon_features=frozenset()
    ) as machine:
        lives(machine)


@clauses("C017", "C064")
def test_a_driver_that_cannot_do_without_a_feature_fails_its_device() -> None:
    """A device of version 2 without VERSION_1 gets FAILED, no queue and no page; the guest goes on."""
    with booted("balloon:features-withdrawn=32") as machine:
        saved = machine.save()[f"virtio{machine.config.balloon_slot}"]
        assert saved["status"] & VIRTIO_CONFIG_S_FAILED
        assert not any(queue["ring"] for queue in saved["queues"])
        assert GuestShell(machine).command("touch 4M").status == 0


@clauses("C018")
def test_a_feature_that_nobody_knows_is_left_alone() -> None:
    """A device that offers what no specification describes is driven as ever."""
    with Machine(MachineConfig(ram=RAM)) as machine:
        assert machine.balloon is not None
        machine.balloon.features |= 1 << 22 | 1 << 60
        GuestShell(machine).wait_for_prompt()
        lives(machine)


@clauses("C144")
def test_interrupts_for_nothing_do_no_harm() -> None:
    """A hundred interrupts without a used buffer or a change, and the driver works on."""
    with booted("balloon:spurious-interrupts=100") as machine:
        lives(machine)


@clauses("C154", "C155")
@pytest.mark.parametrize("length", [0, 1, 0xFFFF_FFFF])
def test_a_used_length_that_is_wrong_does_no_harm(length: int) -> None:
    """Hinted pages come back with any length: nothing is made of what the device may have written."""
    with booted(f"balloon:wrong-used-length={length}@0ns+") as machine:
        assert machine.balloon is not None
        machine.balloon.start_hinting()
        machine.run(machine.now_ns + SECOND)
        assert machine.balloon.counters.hinted_pages > 0
        machine.balloon.finish_hinting()
        lives(machine)


@clauses("C244", interface="legacy")
def test_used_lengths_are_ignored_on_the_legacy_interface() -> None:
    """Devices of old put the length of the whole chain there."""
    with booted("balloon:wrong-used-length=4096@0ns+", legacy_virtio=True) as machine:
        lives(machine)


@clauses("C200")
def test_an_empty_slot_is_no_error() -> None:
    """The board has eight slots and one device: of the other seven the guest says nothing."""
    with booted() as machine:
        said = machine.console.text()
        assert "virtio_balloon" in said
        assert not re.findall(r"(?m)^.*(?:error|fail|wrong|invalid|DeviceID).*$", said)
