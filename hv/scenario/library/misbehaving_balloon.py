"""A balloon device that does everything a device must not, one fault at a time."""

from hv.scenario import Carrier, World, scenario

TARGET = 4000

FAULTS = {
    "silent=12s@3": "no answer to inflate for 5 s",
    "late=7s@3": "answers again",
    "wrong-used-length@3": "used length 4294967295 of a buffer of 0 bytes",
    "used-id-out-of-range@3": "queue is broken",
    "used-index-out-of-range@3": "queue is broken",
    "spurious-interrupts=5@3": "",
    "config-changing=9@3": "",
    "config-changing=99@3": "the configuration does not stand still",
    "needs-reset@3": "device needs a reset",
    "needs-reset-after@3": "device needs a reset",
}
"""What the device does at its third request, and what the guest says to it."""


@scenario(
    eras=("e4",), carriers=(Carrier.SWAP,), options={"fault": f"one of {', '.join(FAULTS)} (default: all)"}
)
def misbehaving_balloon(world: World) -> None:
    """Whatever the balloon does, the guest says so and goes on, and each page is where both say it is."""
    empty = world.disk
    for fault in world.choice("fault", list(FAULTS)):
        world.disk, world.target, world.first_entry = empty, 0, None
        run = world.start(touch=2000, target=0)
        run.misbehave(f"balloon:{fault}")
        run.set_target(TARGET)
        run.until_target()
        world.check(run.said(FAULTS[fault]), f"{fault}: the guest does not say {FAULTS[fault]!r}")
        run.balance(fault)
        for target in (TARGET - 1000, TARGET + 1000, TARGET):
            run.set_target(target)
            run.until_target()
        run.verify()
        run.balance(f"{fault}, later")
        run.hibernate()
        woken = world.next()
        woken.until_target()
        woken.verify()
        woken.balance(f"{fault}, resumed")
        woken.cut_power()
