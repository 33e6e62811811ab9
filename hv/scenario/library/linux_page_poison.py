"""Linux's page poison and free page reporting, over a hibernation."""

from hv.scenario import SECOND, LinuxGuest, World, scenario

TOUCHED, TARGET = 16384, 8192
QUIET = 20 * SECOND
POISON = 0xAAAA_AAAA


@scenario(guests=("linux",), eras=LinuxGuest.eras, carriers=LinuxGuest.carriers)
def linux_page_poison(world: World) -> None:
    """Confirmed: restore does not write `poison_val` again, and a resumed Linux finds its poison gone.

    The reset has set it to 0, so the device takes reported pages for pages of zeros and gives their memory
    back. Linux looks for its poison in them when it allocates them next.
    """
    world.features |= {"free-page-reporting"}
    world.append = "page_poison=1"
    run = world.start(touch=1000, target=TARGET)
    world.figure("poison_val", run.balloon.poison_val, expected=POISON)
    run.shell(f"head -c {TOUCHED * 4096} /dev/zero >/tmp/more; rm /tmp/more")
    run.until_ns(run.ns + QUIET)
    world.figure("reported_pages", run.balloon.counters.reported_pages)
    world.figure("discarded_bytes", run.balloon.counters.reported_bytes_discarded, expected=0)
    run.shell(f"head -c {TOUCHED * 4096} /dev/zero >/tmp/more; rm /tmp/more")
    world.check(not run.said("pagealloc: memory corruption"), "its poison was gone before it hibernated")
    run.hibernate()

    woken = world.next()
    woken.until_target()
    world.figure("poison_val_after_resume", woken.balloon.poison_val, expected=0)
    woken.shell(f"head -c {TOUCHED * 4096} /dev/zero >/tmp/more; rm /tmp/more")
    woken.until_ns(woken.ns + QUIET)
    world.figure("reported_pages_after_resume", woken.balloon.counters.reported_pages)
    world.figure("discarded_bytes_after_resume", woken.balloon.counters.reported_bytes_discarded)
    woken.shell(f"head -c {TOUCHED * 4096} /dev/zero >/tmp/more; rm /tmp/more", status=None)
    corrupt = woken.machine.console.text().count("pagealloc: memory corruption")
    world.figure("poison_found_gone", corrupt)
    world.check(corrupt > 0, "the hazard is gone: this kernel found its poison where it had left it")
    woken.verify()
