"""A balloon driver that the boot kernel never loads."""

from hv.scenario import LinuxGuest, World, scenario

TARGET = 16384


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_late_driver(world: World) -> None:
    """The driver is loaded late, and not at all before the resume: the image's driver finds its device."""
    world.append = "modprobe.blacklist=virtio_balloon"
    run = world.boot()
    run.enable_swap()
    run.touch(1000)
    run.set_target(TARGET)
    world.figure("ballooned_without_a_driver", int(run.balloon.ballooned.sum()), expected=0)
    run.shell("insmod /lib/modules/virtio_balloon.ko")
    run.until_target()
    run.balance("loaded")
    run.hibernate()

    woken = world.power_on()
    woken.until_line("Image load(ed|ing done)")
    world.figure("ballooned_by_the_boot_kernel", int(woken.balloon.ballooned.sum()), expected=0)
    woken.until_resumed()
    woken.until_target()
    woken.verify()
    woken.balance("resumed")
