"""One era through the workload: boot, churn, touch, inflate, hibernate, power off, resume, inflate again.

Beside it, from the same beginning: a hibernation that must fail (no swap), and, where a kernel loads the
image, a resume whose boot kernel inflates a balloon of its own before it gives way.
"""

import errno
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from hv import board
from hv.compare.evidence import Evidence, Leg, Plan, Trouble
from hv.compare.pagemap import PageMap, double_owned
from hv.compare.probe import Probe
from hv.errors import HostError
from hv.guestpages import BooksError
from hv.hibernate import Carrier
from hv.hostimage.reader import open_image
from hv.scenario import ERAS, SECOND, Run, ScenarioError, World
from hv.stop import StopReason

PROCESSES = 2
SETTLE_NS = 10 * SECOND
"""Virtual time that a balloon may take to its target; a driver short of pages tries again for ever."""

DISK_MARGIN = 16 * board.MIB
"""The swap disk is RAM and this much, so that an image always fits."""

BOOT_DELAY = "resumedelay=1"
"""The boot kernel waits a second before it loads the image: time for a balloon of its own."""


def compare(plan: Plan) -> Iterator[Evidence]:
    """Take every era through the workload, several at a time; yield their evidence, oldest era first.

    Raises:
        HostError: an era's guest could not go on, which no era's does.
    """
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(travel, plan), ERAS)


def travel(plan: Plan, era: str) -> Evidence:
    """Take one era through the workload.

    Raises:
        HostError: the guest could not go on.
    """
    try:
        return _Journey(plan, era).travel()
    except (ScenarioError, BooksError) as error:
        raise HostError(f"era {era} broke off: {error}") from None


class _Journey:
    def __init__(self, plan: Plan, era: str) -> None:
        self._plan = plan
        self._era = ERAS[era]
        self._maps: list[PageMap] = []
        self._troubles: list[Trouble] = []

    def travel(self) -> Evidence:
        refused = self._refused()
        with self._world(self._plan.carrier) as world:
            run, probe = self._fill(world)
            self._look("touched", run)
            self._inflate(run)
            self._look("inflated", run)
            asleep = self._fall_asleep(probe)
            at_power_off = run.balloon.ballooned.copy()
            image_pages, image_bytes = self._image(run, asleep)
            self._look("power off", run)
            disk = world.disk

            woken = world.power_on()
            probe = Probe(woken)
            woken.until_resumed()
            prompt_ns = woken.ns
            self._look("resumed", woken)
            kept_by_host = double_owned(woken.machine, woken.ledger.symbols, at_power_off)
            on_target = self._settle(woken)
            awake = probe.leg(0)
            self._look("inflated again", woken)
            woken.verify()
            woken.balance("inflated again")
            leaked = woken.leaked()
            boot = woken.machine.boot
            woken.cut_power()
            self._keep_findings("sleep and resume", world)
            boot_balloon = None if disk is None else self._with_boot_balloon(world, disk)
        return Evidence(
            era=self._era.name,
            commit=self._era.commit,
            asleep=asleep,
            awake=awake,
            refused=refused,
            image_pages=image_pages,
            image_bytes=image_bytes,
            prompt_ns=prompt_ns,
            on_target=on_target,
            leaked=leaked,
            kept_by_host=kept_by_host,
            boot_balloon=boot_balloon,
            maps=tuple(self._maps),
            troubles=tuple(self._troubles),
            firmware=boot.firmware,
            kernel=boot.kernel,
        )

    def _world(self, carrier: Carrier) -> World:
        world = World(self._era.name, carrier)
        world.ram = self._plan.ram
        world.disk = bytes(self._plan.ram + DISK_MARGIN) if carrier is Carrier.SWAP else None
        return world

    def _fill(self, world: World) -> tuple[Run, Probe]:
        """Boot, and let the pages that the balloon will take hold something: others cost the host nothing."""
        run = world.power_on()
        probe = Probe(run)
        run.until_fresh()
        if world.disk is not None:
            run.enable_swap()
        run.touch(self._plan.touch + self._plan.balloon)
        run.release()
        run.touch(self._plan.touch)
        return run, probe

    def _inflate(self, run: Run) -> None:
        run.set_target(self._plan.balloon)
        run.until_target()
        run.balance("inflated")

    def _settle(self, run: Run) -> bool:
        """Run until the balloon is at its target, or will not come there; return which."""
        balloon = run.balloon
        stop = run.machine.run(run.ns + SETTLE_NS, until=lambda: balloon.actual_pages == balloon.target_pages)
        reached = stop.reason is StopReason.CONDITION
        run.log(
            "host",
            "the target is reached" if reached else f"the balloon stays at {balloon.actual_pages} pages",
        )
        return reached

    def _look(self, phase: str, run: Run) -> None:
        self._maps.append(PageMap.take(phase, run.machine, run.ledger.symbols))

    def _keep_findings(self, where: str, world: World) -> None:
        self._troubles += [Trouble(where, finding.ns, finding.text) for finding in world.journal.findings]

    def _image(self, run: Run, asleep: Leg) -> tuple[int, int]:
        """Return the pages and the bytes of the image that a machine has just left."""
        kept = run.world.host_image
        if kept is not None:
            with open_image(kept) as image:
                return image.header.pages_saved, kept.stat().st_size
        said = re.search(r"PM: Image saved: (\d+) pages", run.machine.console.text())
        if said is None:
            raise ScenarioError("the guest went to sleep and did not say that it saved an image")
        return int(said[1]), asleep.moved("write")

    def _fall_asleep(self, probe: Probe) -> Leg:
        start_ns = probe.run.ns
        probe.sample()
        probe.run.hibernate()
        return probe.leg(start_ns)

    def _refused(self) -> Leg:
        """The seed's own test: no swap, so that all is undone after freeze()."""
        with self._world(Carrier.SWAP) as world:
            world.disk = None
            run, probe = self._fill(world)
            self._inflate(run)
            start_ns = run.ns
            probe.sample()
            run.hibernate_fails(-errno.ENODEV)
            self._settle(run)
            leg = probe.leg(start_ns)
            run.verify()
            run.balance("after a failed hibernation")
            self._keep_findings("failed hibernation", world)
        return leg

    def _with_boot_balloon(self, world: World, disk: bytes) -> int:
        world.disk = disk
        world.append = BOOT_DELAY
        run = world.power_on()
        run.until_resumed()
        self._settle(run)
        return double_owned(run.machine, run.ledger.symbols)
