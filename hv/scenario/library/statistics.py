"""VIRTIO_BALLOON_F_STATS_VQ."""

from devices.memory import PAGE_SIZE
from hv.books import SLACK_PAGES
from hv.scenario import Carrier, Run, World, scenario

TOUCHED, TARGET = 1000, 4000


@scenario()
def statistics(world: World) -> None:
    """Statistics are the guest's own figures, whenever the host asks; after S4 they are primed anew."""
    run = world.start(touch=TOUCHED, target=TARGET)
    compare(world, run, "inflated")
    run.touch(TOUCHED)
    compare(world, run, "touched")
    run.hibernate()

    woken = world.next()
    woken.until_target()
    kernels = 2 if world.carrier is Carrier.SWAP else 1  # one that loads the image, and the image's
    world.figure("buffers_unasked_after_resume", woken.balloon.stats_received, expected=kernels)
    compare(world, woken, "resumed")
    woken.verify()
    world.figure("surplus_buffers", woken.balloon.anomalies.surplus_stats, expected=0)
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)


def compare(world: World, run: Run, label: str) -> None:
    """Ask for statistics, and compare them with the guest's books."""
    stats, guest = run.ask_stats(), run.guest.books()
    world.figure(f"{label}_total_memory", stats["total_memory"], expected=guest.totalram * PAGE_SIZE)
    world.figure(f"{label}_free_memory", stats["free_memory"])
    off = abs(stats["free_memory"] // PAGE_SIZE - guest.free)
    world.check(off <= SLACK_PAGES, f"{label}: statistics and guest differ by {off} free pages")
