"""The boot kernel's own balloon."""

from hv.scenario import Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.SWAP,))
def boot_kernel_inflates(world: World) -> None:
    """The kernel that loads the image has inflated a balloon of its own, which must not outlive the jump.

    An era whose boot kernel does not deflate leaves the host with pages that the resumed kernel uses: it
    is told again of some of them, and has the others though nobody gave them.
    """
    world.start(touch=2000, target=TARGET).hibernate()
    world.append = "resumedelay=1"
    woken = world.power_on()
    woken.until_line("PM: Image loaded")
    world.figure("ballooned_before_the_jump", int(woken.balloon.ballooned.sum()), expected=TARGET)
    woken.until_resumed()
    woken.until_target()
    woken.verify()
    entry = woken.ledger.entry("resumed")
    assert entry.guest is not None
    stolen = int((entry.ballooned & ~entry.guest.offline).sum())
    if world.era.boot_balloon_survives:
        world.figure("pages_the_host_has_of_nobody", stolen)
        world.check(stolen > 0, "the boot kernel's balloon was expected to outlive it")
    else:
        world.figure("pages_the_host_has_of_nobody", stolen, expected=0)
        woken.balance("settled")
