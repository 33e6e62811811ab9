"""VIRTIO_BALLOON_F_DEFLATE_ON_OOM."""

from hv.scenario import Carrier, World, scenario
from hv.stop import StopReason

TARGET, HOG = 10_000, 8000


@scenario(eras=("e3", "e4"), carriers=(Carrier.HOST,))
def deflate_on_oom(world: World) -> None:
    """A guest that would die of a process that wants more than the balloon has left lives by deflating it."""
    world.append = "sysctl.vm.panic_on_oom=1"
    dying = world.start(touch=0, target=TARGET)
    world.figure("host_pages_inflated", dying.host_pages())
    dying.type(f"hog {HOG}")
    stop = dying.drive(lambda: dying.machine.run(dying.ns + 10**10))
    world.check(stop.reason is StopReason.GUEST_FAULT, f"without deflating the guest ends with {stop.reason}")
    world.check(dying.said("Out of memory"), "the guest did not say that it was out of memory")
    world.figure("deflated_by_the_dying_guest", dying.balloon.counters.deflated_pages, expected=0)
    dying.cut_power()

    world.features |= {"deflate-on-oom"}
    world.target, world.first_entry = 0, None
    living = world.start(touch=0, target=TARGET)
    living.type(f"hog {HOG}")
    living.finish()
    deflated = living.balloon.counters.deflated_pages
    world.figure("deflated_by_the_living_guest", deflated)
    world.figure("host_pages_after_the_process", living.host_pages())
    world.check(0 < deflated < TARGET, f"{deflated} pages came back, of {TARGET} some were needed")
    living.ledger.entry("lived")
    world.figure("pages_that_differ", len(living.ledger.findings()), expected=0)
    living.set_target(TARGET - 1)
    living.until_target()
    living.balance("the target is changed")
