"""Devices that misbehave at the moment that was asked for, the same in each run."""

from dataclasses import replace
from pathlib import Path

import pytest

from hv import board
from hv.config import Disk, MachineConfig
from hv.errors import ConfigError
from hv.machine import Machine
from hv.misbehave import fault
from hv.stop import StopReason
from tests.harness.guest import SECOND, Guest, booted, config, make_disk

MS = 1_000_000
TARGET = 2000


def a_day(text: str, machine_config: MachineConfig) -> tuple[int, str]:
    """Inflate with one fault; return the virtual time of the end, and the hash of RAM."""
    with booted(replace(machine_config, misbehave=(fault(text),))) as guest:
        guest.inflate(TARGET)
        return guest.machine.now_ns, guest.machine.ram_sha256()


@pytest.mark.parametrize("kind", ["late=6s", "used-id-out-of-range", "needs-reset"])
def test_a_fault_is_part_of_the_run(kind: str) -> None:
    """The same fault gives the same virtual clock and the same RAM."""
    assert a_day(f"balloon:{kind}@2", config()) == a_day(f"balloon:{kind}@2", config())


def test_a_fault_comes_at_its_time() -> None:
    """By request it is that request's, by time it comes at that time, also when the guest is idle."""
    with booted(config()) as guest:
        guest.machine.misbehave(fault("balloon:needs-reset@50ms"))
        guest.machine.run(49 * MS)
        assert "needs a reset" not in guest.machine.console.text()
        guest.machine.run(51 * MS)
        assert "needs a reset" in guest.machine.console.text()


def test_silence_ends_when_it_was_asked_to() -> None:
    """A device that is silent for a time answers who reminds it after that."""
    with booted(config()) as guest:
        guest.machine.misbehave(fault("balloon:silent=12s@1"))
        guest.machine.set_balloon_target(TARGET)
        guest.wait_for_line("answers again")
        assert 12 * SECOND < guest.machine.now_ns < 20 * SECOND
        guest.wait_for_balloon()


def test_without_queue_reset_the_device_is_reset(tmp_path: Path) -> None:
    """A disk whose queue broke is mended with or without RING_RESET, in order or not, modern or legacy."""
    disk = make_disk(tmp_path / "disk", 33 * board.MIB)
    ways = {
        "": "vda: queue was reset",
        "virtio.features_off=35": "vda: queue was reset",
        "virtio.features_off=35,40": "virtio_blk virtio0: was reset, works again",
        "legacy": "virtio_blk virtio0: was reset, works again",
    }
    for append, said in ways.items():
        machine_config = MachineConfig(
            ram=64 * board.MIB, disks=(Disk(disk, slot=0),), append=append, legacy_virtio=append == "legacy"
        )
        with booted(machine_config) as guest:
            guest.machine.misbehave(fault("disk:used-id-out-of-range@1"))
            guest.type("mkswap")
            assert said in guest.machine.console.text()


def test_an_order_that_was_not_agreed_on_may_be_any(tmp_path: Path) -> None:
    """Without IN_ORDER a later request may be given back first: the guest takes it, and says nothing."""
    disk = make_disk(tmp_path / "disk", 64 * board.MIB)
    with booted(config(disk=disk, append="virtio.features_off=35")) as guest:
        guest.type("mkswap")
        guest.type("swapon")
        guest.type("touch 1000")
        guest.machine.misbehave(fault("disk:out-of-order@3"))
        guest.type_last("hibernate", StopReason.POWEROFF)
        assert "broken" not in guest.machine.console.text()
    with Machine(config(disk=disk, append="virtio.features_off=35")) as machine:
        guest = Guest(machine)
        guest.boot()
        assert guest.type("verify").number("bad_pages") == 0


def test_a_device_that_is_not_there_cannot_misbehave() -> None:
    """The message names what there is."""
    with pytest.raises(ConfigError, match="no device 'disk': this machine has balloon"):
        Machine(replace(config(), misbehave=(fault("disk:silent"),)))
