"""Runs cases, one after another or in several processes, and keeps what became of each."""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hv.errors import ThawvisorError
from hv.monitor import Verdicts, as_json
from hv.scenario.drive import ScenarioError
from hv.scenario.guests import GUESTS
from hv.scenario.journal import Journal
from hv.scenario.place import CannotError
from hv.scenario.places import PLACES
from hv.scenario.processes import forget, pool
from hv.scenario.registry import Case, find
from hv.scenario.world import World


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        case: it.
        journal: steps, figures and findings.
        verdicts: of the monitor, when there was one.
        broke: why it could not go on to its end; empty when it did.
        cannot: what it asked for and there is not where it ran; empty when there was all.
    """

    case: Case
    journal: Journal
    verdicts: Verdicts
    broke: str = ""
    cannot: str = ""

    @property
    def failed(self) -> bool:
        """It found something, or broke off."""
        return bool(self.broke or self.journal.findings)

    @property
    def passed(self) -> bool:
        """It came to its end, and found nothing."""
        return not self.failed and not self.cannot

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, with the command that replays it."""
        case = self.case
        return {
            "scenario": case.name,
            "guest": case.guest,
            "on": case.place,
            "era": case.era,
            "carrier": case.carrier.value,
            "seed": case.seed,
            "passed": self.passed,
            "command": case.command,
            "broke": self.broke,
            "cannot": self.cannot,
            "figures": self.journal.figures,
            "findings": [finding._asdict() for finding in self.journal.findings],
            "events": [event._asdict() for event in self.journal.events],
            "clauses": as_json(self.verdicts) if case.monitor else {},
        }


def play(case: Case, jobs: int = 1) -> Outcome:
    """Run a case in a world of its own; whatever happens in it is part of the outcome.

    Args:
        case: which.
        jobs: processes that the scenario itself may use.
    """
    scenario = find(case.source, case.name)
    with World(
        case.era,
        case.carrier,
        case.seed,
        GUESTS[case.guest],
        settings=dict(case.settings),
        jobs=jobs,
        sanitize=case.sanitize,
        monitor=case.monitor,
        place=PLACES[case.place],
    ) as world:
        broke = cannot = ""
        try:
            scenario.play(world)
        except CannotError as error:
            cannot = str(error)
        except (ScenarioError, ThawvisorError) as error:
            broke = str(error)
        except Exception as error:
            broke = _blame(error, scenario.play.__code__.co_filename)
        outcome = Outcome(case, world.journal, world.verdicts, broke, cannot)
    del world
    forget()
    return outcome


def _blame(error: Exception, file: str) -> str:
    """Say what went wrong in the author's own code, and in which line of it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{type(error).__name__}: {error} ({file}, line {lines[-1] if lines else '?'})"


def play_all(cases: Sequence[Case], jobs: int) -> Iterator[Outcome]:
    """Run cases and yield their outcomes in order.

    Args:
        cases: which; a single one may use all the processes itself.
        jobs: processes that work at the same time.
    """
    if jobs == 1 or len(cases) == 1:
        yield from (play(case, jobs) for case in cases)
        return
    with pool(min(jobs, len(cases))) as processes:
        yield from processes.map(play, cases)
