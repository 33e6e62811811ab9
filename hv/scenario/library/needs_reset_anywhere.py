"""DEVICE_NEEDS_RESET at each request of a working day, and of the next one."""

import errno

from hv import board
from hv.misbehave import KINDS
from hv.scenario import SECOND, Carrier, Run, World, scenario
from hv.stop import Stop

TARGET = 1000
TOUCHED = 200
RAM = 32 * board.MIB
DISK = 4 * board.MIB
DEVICES = ("balloon", "disk")
WHEN = [name for name in KINDS if name.startswith("needs-reset")]
"""Instead of the answer to the request, or with the request carried out."""

MANY = 500
"""More requests than a day has."""


@scenario(
    eras=("e4",),
    carriers=(Carrier.SWAP,),
    options={
        "device": "balloon or disk (default: both)",
        "fault": f"{' or '.join(WHEN)} (default: both)",
        "request": "the request that it comes at (default: each)",
    },
)
def needs_reset_anywhere(world: World) -> None:
    """Wherever a device needs a reset it gets one, and life goes on; a freeze that it spoils is repeated."""
    only = world.number("request", MANY)
    empty = bytes(DISK)
    for device in world.choice("device", DEVICES):
        for fault in world.choice("fault", WHEN):
            number = 0
            for number in range(only or 1, (only or MANY) + 1):
                if not _day(world, empty, f"{device}:{fault}@{number}"):
                    break
            world.figure(f"{device}_{fault.replace('-', '_')}", number)


def _day(world: World, disk: bytes, fault: str) -> bool:
    """Live through a day and a night with one fault each; return whether one came."""
    world.ram, world.disk, world.target, world.first_entry = RAM, disk, 0, None
    run = world.start(TOUCHED, 0)
    run.misbehave(fault)
    run.set_target(TARGET)
    run.until_target()
    run.balance(f"{fault}, inflated")
    run.set_target(TARGET // 2)
    run.until_target()
    run.verify()
    _sleep(run, fault)
    woken = world.power_on()
    woken.misbehave(fault)
    woken.until_resumed()
    woken.until_ns(woken.ns + SECOND)
    woken.until_target()
    woken.verify()
    woken.balance(f"{fault}, resumed")
    woken.cut_power()
    return any(machine.said("device needs a reset") for machine in (run, woken))


def _sleep(run: Run, fault: str) -> None:
    """Hibernate; if the fault spoils that, all must be as before, and it must work the second time."""
    statuses: list[int | None] = []

    def answer() -> Stop:
        reply = run.guest.reply()
        statuses.append(reply.status)
        return reply.stop

    run.start_hibernation()
    run.drive(answer)
    if not run.on:
        return
    run.world.check(statuses == [-errno.EIO], f"{fault}: the hibernation ended with {statuses}")
    run.until_ns(run.ns + SECOND)  # what the device had done and not answered is asked for again
    run.until_target()
    run.verify()
    run.balance(f"{fault}, thawed")
    run.hibernate()
