"""A disk that does everything a device must not, one fault at a time, under a hibernation."""

import errno

from hv.scenario import Carrier, World, scenario

TARGET = 2000
AT = 20
"""The request that it befalls, among those that write the image or read it."""

SHORT = "wrong-used-length=0"
"""An I/O error, which no driver can mend."""

FAULTS = {
    "silent=25s": "vda: no answer for 10 s",
    "late=25s": "vda: no answer for 10 s",
    "out-of-order": "id is not in order",
    "wrong-used-length": "used length 4294967295 of a buffer of",
    SHORT: "vda: an answer of 0 bytes, not 1",
    "used-id-out-of-range": "vda: queue was reset",
    "used-index-out-of-range": "vda: queue was reset",
    "spurious-interrupts=5": "",
    "needs-reset": "virtio_blk virtio0: was reset, works again",
    "needs-reset-after": "virtio_blk virtio0: was reset, works again",
}
"""What the device does, and what the guest says to it."""


@scenario(
    eras=("e4",), carriers=(Carrier.SWAP,), options={"fault": f"one of {', '.join(FAULTS)} (default: all)"}
)
def misbehaving_disk(world: World) -> None:
    """Whatever the disk does while the image is written or read, the guest says so, sleeps and wakes up.

    An answer that is too short is an I/O error: then it sleeps the second time, and is not asked to read so.
    """
    empty = world.disk
    for fault in world.choice("fault", list(FAULTS)):
        world.disk, world.target, world.first_entry = empty, 0, None
        run = world.start(touch=2000, target=TARGET)
        run.misbehave(f"disk:{fault}@{AT}")
        if fault == SHORT:
            run.hibernate_fails(-errno.EIO)
            run.until_target()
            run.balance(f"{fault}, thawed")
        run.hibernate()
        world.check(run.said(FAULTS[fault]), f"{fault}: the guest does not say {FAULTS[fault]!r}")
        woken = world.power_on()
        if fault != SHORT:
            woken.misbehave(f"disk:{fault}@{AT}")
        woken.until_resumed()
        woken.until_target()
        woken.verify()
        woken.balance(f"{fault}, resumed")
        woken.cut_power()
