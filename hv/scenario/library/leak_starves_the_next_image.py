"""What the seed's leak costs."""

import errno

from hv.scenario import ERAS, Carrier, World, scenario

TARGET = 4000


@scenario(eras=[era.name for era in ERAS.values() if era.leaks], carriers=(Carrier.SWAP,))
def leak_starves_the_next_image(world: World) -> None:
    """After a leak the second hibernation fails: leaked pages need image memory like any in use."""
    run = world.start(touch=2000, target=TARGET)
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.balance("resumed", leak=TARGET)
    woken.hibernate_fails(-errno.ENOMEM)
    woken.until_target()
    woken.verify()
    woken.balance("thawed", leak=TARGET)
