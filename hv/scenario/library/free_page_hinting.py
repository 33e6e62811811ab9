"""VIRTIO_BALLOON_F_FREE_PAGE_HINT."""

import numpy as np

from hv.scenario import Carrier, World, scenario

TOUCHED, KEPT, TARGET = 9000, 2000, 3000


@scenario(eras=("e4", "discard"), carriers=(Carrier.HOST,))
def free_page_hinting(world: World) -> None:
    """A snapshot leaves out what the guest hints as of no use, and the guest never misses it."""
    run = world.start(touch=TOUCHED, target=TARGET)
    run.release()
    run.touch(KEPT)
    plain = world.keep_snapshot(run)
    world.figure("host_pages_before", run.host_pages())
    world.figure("pages_in_a_snapshot", plain.pages_saved)

    hinted = run.ask_hints()
    world.figure("hinted_pages", hinted)
    run.balance("hinted")
    run.touch(KEPT)
    world.figure("hinted_and_then_used", hinted - int(np.count_nonzero(run.balloon.hinted)))
    run.balance("used")
    smaller = world.keep_snapshot(run)
    world.figure("pages_in_a_snapshot_with_hints", smaller.pages_saved)
    world.figure("pages_left_out", smaller.pages_hinted)
    less = plain.pages_saved - smaller.pages_saved
    world.check(less > TOUCHED // 2, f"hints make the snapshot only {less} pages smaller")
    run.balloon.finish_hinting()
    run.until_prompt()
    run.verify()
    run.balance("done")
    run.cut_power()

    gone_on = world.go_on()
    world.figure("host_pages_after", gone_on.host_pages())
    gone_on.shell("mem")
    gone_on.verify()
    gone_on.balance("gone on")
    gone_on.touch(2 * KEPT)
    gone_on.verify()
