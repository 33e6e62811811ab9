"""VIRTIO_BALLOON_F_PAGE_POISON."""

from hv.scenario import SECOND, Run, World, scenario

TOUCHED, TARGET = 6000, 3000
QUIET = 20 * SECOND
POISON = 0xAAAA_AAAA


@scenario(eras=("e4", "discard"))
def page_poison(world: World) -> None:
    """A guest finds its poison again in free pages: the host leaves reported ones alone, S4 or not."""
    world.features |= {"free-page-reporting"}
    world.append = "page_poison=on"
    run = world.start(touch=TOUCHED, target=TARGET)
    world.figure("poison_val", run.balloon.poison_val, expected=POISON)
    free_and_report(world, run, "poisoned")
    world.figure("poisoned_bytes_given_back", run.balloon.counters.reported_bytes_discarded, expected=0)
    run.touch(TOUCHED)
    run.balance("poisoned")
    run.hibernate()

    woken = world.next()
    woken.until_target()
    world.figure("poison_val_after_resume", woken.balloon.poison_val, expected=POISON)
    woken.verify()
    woken.balance("resumed")
    free_and_report(world, woken, "resumed")
    woken.touch(TOUCHED)
    woken.verify()
    woken.cut_power()

    world.append = "init_on_free=1"
    zeros = world.boot()
    zeros.touch(TOUCHED)
    world.figure("poison_val_of_zeros", zeros.balloon.poison_val, expected=0)
    free_and_report(world, zeros, "zeros")
    given = zeros.balloon.counters.reported_bytes_discarded
    world.check(given > 0, "zeros are a poison that the host can keep, and it has kept the memory")
    zeros.touch(TOUCHED)
    zeros.verify()


def free_and_report(world: World, run: Run, label: str) -> None:
    """Free the touched pages, and wait until the guest has reported what it will."""
    run.release()
    world.figure(f"host_pages_{label}_freed", run.host_pages())
    run.until_ns(run.ns + QUIET)
    world.figure(f"host_pages_{label}_reported", run.host_pages())
    world.check(run.balloon.counters.reported_pages > 0, f"{label}: nothing was reported")
