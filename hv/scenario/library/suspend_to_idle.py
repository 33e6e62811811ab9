"""Sleep with the power on, which VIRTIO_F_SUSPEND makes cheap."""

from devices.virtio.constants import VIRTIO_F_SUSPEND
from hv.scenario import MS, Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.SWAP,))
def suspend_to_idle(world: World) -> None:
    """A device that can suspend keeps balloon and queues; one that cannot is frozen as if for hibernation.

    While the machine idles the host may change its mind: the guest hears of it when it has woken up.
    """
    for feature in ("kept", "declined"):
        world.append = f"virtio.features_off={VIRTIO_F_SUSPEND}" if feature == "declined" else ""
        world.target = 0
        world.first_entry = None
        run = world.start(touch=2000, target=TARGET)
        before = run.balloon.counters.deflated_pages
        run.shell("suspend 100")
        run.until_target()
        moved = TARGET if world.era.deflates_at_freeze and feature == "declined" else 0
        asked_back = run.balloon.counters.deflated_pages - before
        world.figure(f"pages_asked_back_{feature}", asked_back, expected=moved)
        run.verify()
        run.balance(f"SUSPEND {feature}")

        run.type("suspend 1000")
        run.set_target(TARGET + 500, at_ns=run.ns + 500 * MS)
        run.finish()
        run.until_target()
        run.verify()
        run.balance(f"SUSPEND {feature}, another target")
        run.cut_power()
