"""A hundred hibernations of one guest."""

from hv.scenario import ERAS, HEARING, Carrier, World, scenario

TARGET = 500
CYCLES = 100
JUDGED_EVERY = 20


@scenario(eras=[name for name in HEARING if not ERAS[name].leaks], carriers=(Carrier.HOST,))
def hundred_cycles(world: World) -> None:
    """After a hundred cycles not one page has leaked, and the touched memory is what it was."""
    run = world.start(touch=2000, target=TARGET)
    for cycle in range(1, CYCLES + 1):
        run.hibernate()
        run = world.next()
        run.until_target()
        if cycle % JUDGED_EVERY == 0:
            run.verify()
            entry = run.balance(f"cycle {cycle}")
            assert world.first_entry is not None
            grown = entry.guest.kernel - world.first_entry.guest.kernel
            world.figure("leaked_pages", grown, expected=0)
    world.figure("cycles", run.number - 1, expected=CYCLES)
