"""A host image on a machine with another RAM size."""

from hv import board
from hv.errors import ImageError
from hv.scenario import RAM, Carrier, World, scenario

TARGET = 4000


@scenario(carriers=(Carrier.HOST,))
def host_image_for_other_ram(world: World) -> None:
    """The platform refuses to resume on more or less RAM, says why, and the image stays good."""
    world.start(touch=2000, target=TARGET).hibernate()
    for ram in (RAM // 2, RAM + 32 * board.MIB):
        world.ram = ram
        try:
            world.power_on()
        except ImageError as error:
            world.check("RAM" in str(error), f"the refusal does not name the RAM: {error}")
        else:
            world.find(f"an image of {RAM} bytes was taken on a machine of {ram}")
            assert world.run is not None
            world.run.cut_power()
    world.ram = RAM
    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
