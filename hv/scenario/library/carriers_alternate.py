"""Both carriers in one guest's life."""

from hv.scenario import Carrier, World, scenario

TARGET = 1500


@scenario(carriers=(Carrier.SWAP,))
def carriers_alternate(world: World) -> None:
    """Swap, host image, swap: a guest sleeps either way, whichever way it slept before."""
    leak = TARGET if world.era.leaks else 0
    run = world.start(touch=2000, target=TARGET)
    for times, carrier in enumerate((Carrier.SWAP, Carrier.HOST, Carrier.SWAP), start=1):
        run.hibernate(carrier)
        run = world.next()
        run.until_target()
        run.verify()
        run.balance(f"resumed from {carrier.value}", leak=leak * times)
