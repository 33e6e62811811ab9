"""Which clauses are accounted for, and how: tested, watched by the monitor, or not testable here."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hv.conformance import register
from hv.conformance.register import Clause
from hv.conformance.suite import Result
from hv.monitor import NOT_WATCHED, WATCHED


class State(StrEnum):
    """How a clause is accounted for; the first that holds."""

    TESTED = "tested"
    WATCHED = "watched"
    UNTESTABLE = "not testable here"
    OPEN = "unaccounted for"


@dataclass(frozen=True)
class Entry:
    """A clause, and what accounts for it.

    Attributes:
        clause: the clause.
        state: how it is accounted for.
        tests: names of the test functions that show it.
        reason: how it is watched, or why it cannot be tested here; "" for one that is tested.
    """

    clause: Clause
    state: State
    tests: tuple[str, ...]
    reason: str


def coverage(collected: Iterable[Result]) -> list[Entry]:
    """Return an entry for each clause of the register; raises ImageError."""
    tests: dict[str, dict[str, None]] = {}
    for result in collected:
        for each in result.clauses:
            tests.setdefault(each, {})[result.function] = None
    entries = []
    for clause in register.clauses().values():
        reason = {**NOT_WATCHED, **register.untestable()}.get(clause.id, "")
        if clause.id in tests:
            state, reason = State.TESTED, ""
        elif clause.id in WATCHED:
            state, reason = State.WATCHED, WATCHED[clause.id]
        else:
            state = State.UNTESTABLE if reason else State.OPEN
        entries.append(Entry(clause, state, tuple(tests.get(clause.id, ())), reason))
    return entries


def tally(entries: Iterable[Entry]) -> Counter[State]:
    """Return how many clauses are in each state."""
    return Counter(entry.state for entry in entries)
