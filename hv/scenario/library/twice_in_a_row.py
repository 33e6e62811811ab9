"""Two hibernations of one guest."""

from hv.scenario import GUESTS, World, scenario

TARGET = 2000


@scenario(guests=GUESTS)
def twice_in_a_row(world: World) -> None:
    """A guest that resumed hibernates and resumes again; its memory and the books are right each time."""
    leak = TARGET if world.era.leaks else 0
    run = world.start(touch=2000, target=TARGET)
    for times in (1, 2):
        run.hibernate()
        run = world.next()
        run.until_target()
        run.verify()
        run.balance(f"resumed {times}", leak=leak * times)
