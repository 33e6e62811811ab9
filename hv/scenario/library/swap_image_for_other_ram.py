"""An image in swap on a machine with another RAM size."""

from hv import board
from hv.scenario import RAM, Carrier, World, scenario


@scenario(carriers=(Carrier.SWAP,))
def swap_image_for_other_ram(world: World) -> None:
    """The guest refuses to resume on more RAM, says why, and boots afresh with its swap usable."""
    world.start(touch=2000, target=4000).hibernate()
    world.ram = RAM + 32 * board.MIB
    run = world.power_on()
    run.until_fresh()
    world.check(run.said("Image mismatch"), "the guest does not say why it did not resume")
    run.until_target()
    run.shell("swapon")
    run.touch(2000)
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.verify()
