"""P7."""

from hv.scenario import GUESTS, World, scenario

TARGET = 4000


@scenario(promise="P7", guests=GUESTS)
def restore_counts(world: World) -> None:
    """After restore the list of pages is empty, totalram_pages has them again, num_pages is 0.

    > Finally, in the restore() callback, we empty the list of pages that were
    > previously given off to the host, add the appropriate number of pages to
    > the totalram_pages counter, reset the num_pages counter to 0, and
    > all is fine.

    It was not fine: with the seed's own policy the pages are in the total and nobody's. The figure
    `leaked_pages` is what 4eb05d562e repaired a month later.
    """
    run = world.start(touch=2000, target=TARGET)
    before = run.take_books("before").guest
    world.figure("num_pages_before", before.num_pages, expected=TARGET)
    world.figure("offline_before", before.offline, expected=TARGET)
    run.hibernate()

    world.target = 0
    woken = world.next()
    after = woken.balance("resumed", leak=TARGET if world.era.leaks else 0).guest
    world.figure("num_pages_after", after.num_pages, expected=0)
    world.figure("offline_after", after.offline, expected=0)
    world.figure("totalram_gained", after.totalram - before.totalram, expected=TARGET)
    world.figure("leaked_pages", woken.leaked(), expected=TARGET if world.era.leaks else 0)
    woken.verify()
