"""The boot after a misfortune: does the guest resume as it was, boot afresh with a message, or go wrong?"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import NamedTuple, TypeVar

from hv import books
from hv.hibernate import Carrier
from hv.scenario.drive import ScenarioError
from hv.scenario.processes import forget, pool
from hv.scenario.run import Run
from hv.scenario.world import World
from hv.shell import Workload


class Verdict(Enum):
    """What a boot came to."""

    RESUMED = "resumed"  # every touched page is right, and the books of both sides balance
    FRESH = "booted fresh"  # the guest said why, has nothing of the past, and works
    WRONG = "wrong"  # anything else


class Boot(NamedTuple):
    """A boot and what came of it.

    Attributes:
        verdict: see there.
        text: what is wrong; empty when nothing is.
    """

    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Sleeper:
    """A guest that went to sleep in swap, as it must be when it wakes up.

    Attributes:
        era: the policy of its balloon driver.
        ram: bytes of RAM.
        target: the host's balloon target in pages.
        workload: its touched pages.
        first: its books at first.
        leak: pages that its era has leaked since then when it has resumed.
        sanitize: what the balloon sanitizer finds in the boot is wrong.
        monitor: a clause of the specification that its drivers break in the boot is wrong, as for `World`.
    """

    era: str
    ram: int
    target: int
    workload: Workload
    first: books.Entry
    leak: int
    sanitize: bool
    monitor: bool

    @classmethod
    def of(cls, world: World, leak: int) -> "Sleeper":
        """Describe the guest of a world that has balanced its books before."""
        assert world.first_entry is not None
        return cls(
            world.era.name,
            world.ram,
            world.target,
            world.workload,
            world.first_entry,
            leak,
            world.sanitize,
            world.monitor,
        )

    def boot(self, disk: bytes, swap_is_usable: bool = True) -> Boot:
        """Start a new machine on a disk and judge what comes up.

        Args:
            disk: contents.
            swap_is_usable: a guest that boots afresh must be able to use the swap area at once.
        """
        with World(self.era, Carrier.SWAP, sanitize=self.sanitize, monitor=self.monitor) as world:
            world.ram, world.target, world.disk = self.ram, self.target, disk
            run = world.power_on()
            try:
                run.until_prompt()
                verdict = Verdict.RESUMED if run.guest.resumed() else Verdict.FRESH
                if verdict is Verdict.RESUMED:
                    self._judge_resumed(run)
                else:
                    _judge_fresh(run, swap_is_usable)
            except ScenarioError as error:
                return Boot(Verdict.WRONG, str(error))
            findings = "; ".join(finding.text for finding in world.journal.findings)
            return Boot(Verdict.WRONG, f"{verdict.value}, but {findings}") if findings else Boot(verdict, "")

    def _judge_resumed(self, run: Run) -> None:
        run.world.workload, run.world.first_entry = self.workload, self.first
        run.until_target()
        run.verify()
        run.balance("resumed", self.leak)


def _judge_fresh(run: Run, swap_is_usable: bool) -> None:
    told = run.said("PM: No image on") or run.said("PM: Failed to load the image")
    run.world.check(told, "the guest does not say why it did not resume")
    run.until_target()
    run.verify()
    run.balance("fresh")
    if swap_is_usable:
        run.shell(run.guest.swap_commands()[-1])


_Case = TypeVar("_Case")


def boot_all(boot: Callable[[_Case], Boot], cases: Sequence[_Case], jobs: int) -> list[Boot]:
    """Boot each case, in several processes, and return what came of each, in order.

    Args:
        boot: what to do with a case; sent to the processes, as the cases are.
        cases: each describes a disk.
        jobs: processes that work at the same time.
    """
    alone = partial(_boot_and_forget, boot)
    if jobs == 1:
        return [alone(case) for case in cases]
    with pool(jobs) as processes:
        return list(processes.map(alone, cases, chunksize=-(-len(cases) // (8 * jobs))))


def _boot_and_forget(boot: Callable[[_Case], Boot], case: _Case) -> Boot:
    result = boot(case)
    forget()
    return result


def tell(world: World, what: str, boots: Sequence[Boot]) -> None:
    """Record how many boots there were and what they came to; none may be wrong.

    Args:
        world: where to.
        what: name of the number of boots, in the plural.
        boots: one for each misfortune.
    """
    counts = Counter(boot.verdict for boot in boots)
    world.figure(what, len(boots))
    world.figure("resumed", counts[Verdict.RESUMED])
    world.figure("booted_fresh", counts[Verdict.FRESH])
    world.figure("wrong", counts[Verdict.WRONG], expected=0)
