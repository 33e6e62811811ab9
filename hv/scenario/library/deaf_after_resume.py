"""What hibernation was like before the seed."""

from hv.scenario import ERAS, SECOND, World, scenario

TARGET = 4000


@scenario(eras=[era.name for era in ERAS.values() if era.deaf])
def deaf_after_resume(world: World) -> None:
    """Without PM callbacks the guest keeps pages offline that the host never had, and hears of no target.

    Its memory is right all the same: nobody but the balloon is hurt.
    """
    world.start(touch=2000, target=TARGET).hibernate()
    world.target = 0
    woken = world.next()
    woken.verify()
    after = woken.take_books("resumed")
    world.figure("pages_offline_for_nobody", after.guest.offline - after.host.ballooned, expected=TARGET)
    woken.set_target(TARGET + 1000)
    woken.until_ns(woken.ns + 5 * SECOND)
    world.figure("inflate_requests_after_resume", woken.balloon.counters.inflate_requests, expected=0)
