"""VIRTIO_BALLOON_F_PAGE_REPORTING."""

from devices.virtio.balloon import BalloonQueue
from devices.virtio.queue import Batch, Virtqueue
from hv.scenario import SECOND, Run, World, scenario

TOUCHED, TARGET = 8000, 3000
QUIET = 20 * SECOND
"""The guest waits two seconds after a page was freed, and between two reports."""


class Reports:
    """Notes when reports come in (a `QueueWatcher`)."""

    def __init__(self, run: Run) -> None:
        self.times: list[int] = []
        self._run = run
        run.balloon.watchers.append(self)

    def taken(self, queue: Virtqueue, _batch: Batch) -> None:
        """Note a report's virtual time."""
        if self._run.balloon.role(queue.index) is BalloonQueue.REPORTING:
            self.times.append(self._run.ns)

    def given_back(self, queue: Virtqueue, batch: Batch) -> None:
        """Nothing."""


@scenario(eras=("e4", "discard"))
def free_page_reporting(world: World) -> None:
    """What the guest frees is the host's memory soon after, with no word from the host; S4 loses nothing."""
    world.features |= {"free-page-reporting"}
    run = world.start(touch=TOUCHED, target=TARGET)
    world.figure("host_pages_touched", run.host_pages())
    run.release()
    world.figure("host_pages_freed", run.host_pages())
    run.until_ns(run.ns + QUIET)
    world.figure("host_pages_reported", run.host_pages())
    world.figure("reported_pages", run.balloon.counters.reported_pages)
    given = run.balloon.counters.reported_bytes_discarded
    world.check(given >= TOUCHED // 2 * 4096, f"only {given} bytes were given back")

    run.touch(TOUCHED)
    world.figure("host_pages_touched_again", run.host_pages())
    run.verify()
    run.release()
    run.touch(TOUCHED // 4)
    run.until_ns(run.ns + QUIET)
    run.verify()
    run.balance("reported")

    reports = Reports(run)
    run.start_hibernation()
    run.until_line("Freezing remaining freezable tasks completed")
    frozen = run.ns
    run.until_off()
    world.figure("reports_while_frozen", sum(ns > frozen for ns in reports.times), expected=0)

    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed")
    woken.release()
    before = woken.host_pages()
    woken.until_ns(woken.ns + QUIET)
    world.figure("host_pages_resumed", before)
    world.figure("host_pages_resumed_and_reported", woken.host_pages())
    world.check(woken.host_pages() < before, "nothing is reported after the resume")
