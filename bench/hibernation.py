"""Hibernation: the toy guest with touched memory and a balloon goes to sleep, and a new machine wakes it up.

Hibernating is measured from the typed command until the machine is off (here: it has stopped and, for the
host image, the image is on the disk; QEMU: its process has ended); resuming from making the new machine
(QEMU: its process) until the guest's shell answers. Only we have a platform that keeps the RAM, so the host
image has no peer.
"""

import time
from functools import partial
from pathlib import Path

from bench.contest import HERE, QEMU, Contest, Figures, Quantity, with_qemu
from hv import board
from hv.hibernate import thaw, write_host_image
from hv.images import FIRMWARE, GUEST
from hv.machine import Machine
from hv.stop import StopReason
from tests.harness.guest import Guest, booted, config, make_disk
from tests.harness.qemu import Qemu

RAM_MIB = 128
TOUCH_PAGES = 8192
BALLOON_PAGES = 12_288

SWAP_SLEEP = "hibernate to swap"
SWAP_WAKE = "resume from swap"
HOST_SLEEP = "hibernate to a host image"
HOST_WAKE = "resume from a host image"

_RESUMED = "PM: resumed from "


def contest(scratch: Path) -> Contest:
    """Return the contest; disks and images go to `scratch`."""
    disk = scratch / "swap.img"
    return Contest(
        title=f"Hibernation: {RAM_MIB} MiB, {TOUCH_PAGES:,} pages touched, {BALLOON_PAGES:,} ballooned",
        quantities=tuple(Quantity(name, "ms") for name in (SWAP_SLEEP, SWAP_WAKE, HOST_SLEEP, HOST_WAKE)),
        contestants={
            HERE: lambda: {**_swap_here(disk), **_host_image(scratch / "guest.s4")},
            QEMU: with_qemu(partial(_swap_on_qemu, disk)),
        },
        rounds=7,
    )


def _swap_here(disk: Path) -> Figures:
    with booted(config(RAM_MIB, _fresh(disk))) as guest:
        guest.type("mkswap")
        guest.type("swapon")
        guest.type(f"touch {TOUCH_PAGES}")
        guest.inflate(BALLOON_PAGES)
        start = time.perf_counter()
        guest.type_last("hibernate", StopReason.POWEROFF)
        asleep = time.perf_counter()
    wake = time.perf_counter()
    with Machine(config(RAM_MIB, disk)) as machine:
        awake = _wake(machine)
    return {SWAP_SLEEP: 1e3 * (asleep - start), SWAP_WAKE: 1e3 * (awake - wake)}


def _host_image(image: Path) -> Figures:
    with booted(config(RAM_MIB)) as guest:
        guest.type(f"touch {TOUCH_PAGES}")
        guest.inflate(BALLOON_PAGES)
        start = time.perf_counter()
        guest.type_last("hibernate platform", StopReason.HIBERNATE)
        write_host_image(guest.machine, image)
        asleep = time.perf_counter()
    wake = time.perf_counter()
    with thaw(image, config(RAM_MIB)) as machine:
        awake = _wake(machine)
    return {HOST_SLEEP: 1e3 * (asleep - start), HOST_WAKE: 1e3 * (awake - wake)}


def _wake(machine: Machine) -> float:
    """Run until the resumed guest answers, and have it verify its memory; return when it answered."""
    guest = Guest(machine)
    guest.wait_for_line(_RESUMED)
    guest.boot()
    awake = time.perf_counter()
    guest.type("verify")
    return awake


def _swap_on_qemu(disk: Path) -> Figures:
    _fresh(disk)
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB, disk=disk) as qemu:
        qemu.console.wait_for_prompt()
        qemu.console.shell("mkswap")
        qemu.console.shell("swapon")
        qemu.console.shell(f"touch {TOUCH_PAGES}")
        qemu.set_balloon(BALLOON_PAGES)
        qemu.wait_balloon(BALLOON_PAGES)
        start = time.perf_counter()
        qemu.console.send("hibernate\n")
        qemu.wait_exit()
        asleep = time.perf_counter()
    wake = time.perf_counter()
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB, disk=disk) as qemu:
        qemu.console.expect(_RESUMED)
        qemu.console.wait_for_prompt()
        awake = time.perf_counter()
        qemu.console.shell("verify")
    return {SWAP_SLEEP: 1e3 * (asleep - start), SWAP_WAKE: 1e3 * (awake - wake)}


def _fresh(disk: Path) -> Path:
    disk.unlink(missing_ok=True)
    return make_disk(disk, (RAM_MIB + 16) * board.MIB)
