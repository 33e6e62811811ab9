"""The boot kernel's own balloon."""

from hv.scenario import Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.SWAP,))
def boot_kernel_inflates(world: World) -> None:
    """The kernel that loads the image has a balloon of its own, which must not outlive the jump."""
    world.start(touch=2000, target=TARGET).hibernate()
    woken = world.power_on()
    woken.until_line("PM: Image loaded")
    world.figure("ballooned_before_the_jump", int(woken.balloon.ballooned.sum()))
    woken.until_resumed()
    woken.until_target()
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
