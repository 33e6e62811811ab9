"""Linux's own rehearsal of a hibernation."""

from hv.scenario import LinuxGuest, World, scenario

TARGET = 16384


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_test_resume(world: World) -> None:
    """`test_resume` writes the image and loads it at once, in one machine: three freezes, nothing is lost."""
    run = world.start(touch=1000, target=TARGET)
    run.shell("echo test_resume >/sys/power/disk")
    run.shell("echo disk >/sys/power/state")
    world.check(run.said("Image loading done"), "the guest did not load the image that it wrote")
    run.until_target()
    world.figure("pages_asked_back", run.balloon.counters.deflated_pages)
    world.figure("pages_given_again", run.balloon.counters.inflated_pages - TARGET)
    run.verify()
    run.balance("resumed")
