"""The seed's own test, with today's driver."""

import errno

from hv.scenario import LinuxGuest, World, scenario

TARGET = 65536


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_no_swap(world: World) -> None:
    """Half of RAM ballooned and no swap: what a hibernation that fails costs guest and host today.

    The seed's message promises that the balloon stays inflated. Since 4eb05d562e freeze empties it and thaw
    fills it again.
    """
    world.disk = None
    run = world.start(touch=1000, target=TARGET)
    before = run.host_pages()
    counters = run.balloon.counters
    run.start_hibernation()
    run.until(lambda: counters.deflated_pages > 0, "the first pages are asked back")
    away, peak = run.ns, 0

    def settled() -> bool:
        nonlocal peak
        peak = max(peak, run.host_pages())
        return (
            counters.deflated_pages >= TARGET
            and run.balloon.actual_pages == TARGET
            and counters.inflated_pages >= 2 * TARGET
        )

    run.until(settled, "the balloon is full again")
    world.figure("off_target_ms", round((run.ns - away) / 1e6, 3))
    run.finish(-errno.ENODEV)
    world.figure("pages_asked_back", counters.deflated_pages, expected=TARGET)
    world.figure("pages_given_again", counters.inflated_pages - TARGET, expected=TARGET)
    world.figure("deflate_requests", counters.deflate_requests)
    world.figure("host_pages_before", before)
    world.figure("host_pages_at_peak", peak)
    run.verify()
    run.balance("thawed")
