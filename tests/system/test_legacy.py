"""The toy guest on a machine whose virtio-mmio slots are all version 1."""

from dataclasses import replace
from pathlib import Path

from hv.machine import Machine
from hv.snapshot.reader import open_snapshot
from hv.snapshot.restore import restore
from hv.snapshot.writer import write_snapshot
from hv.stop import StopReason
from tests.harness.guest import Guest, booted, config, make_disk
from tests.system.hibernation import DISK, RAM_MIB, TARGET, TOUCH, balloon_of, intact, judge, resumed


def test_a_legacy_machine_hibernates_with_an_inflated_balloon(tmp_path: Path) -> None:
    """Disk and balloon do on legacy slots all that hibernation needs; both books agree after it."""
    legacy = replace(config(RAM_MIB, make_disk(tmp_path / "disk", DISK)), legacy_virtio=True)
    with booted(legacy) as guest:
        assert guest.machine.save()["virtio1"]["version"] == 1
        guest.type("mkswap")
        guest.type("swapon")
        guest.type(f"touch {TOUCH}")
        guest.inflate(TARGET)
        guest.type_last("hibernate", StopReason.POWEROFF)
    with Machine(replace(legacy, balloon=TARGET)) as machine:
        guest = resumed(machine)
        guest.wait_for_balloon()
        intact(guest)
        assert balloon_of(guest).actual_pages == TARGET
        assert judge(guest, "resumed") == []


def test_a_snapshot_of_a_legacy_machine_is_one(tmp_path: Path) -> None:
    """A restored machine has legacy slots again, and its driver goes on with the queues that it has."""
    path = tmp_path / "moment"
    with booted(replace(config(RAM_MIB), legacy_virtio=True)) as guest:
        guest.inflate(TARGET // 2)
        write_snapshot(path, guest.machine)
    with open_snapshot(path) as opened, restore(opened, opened.config) as machine:
        assert machine.config.legacy_virtio
        again = Guest(machine)
        again.inflate(TARGET)
        assert balloon_of(again).counters.inflated_pages == TARGET
