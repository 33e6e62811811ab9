"""Verdicts as text and as plain data."""

from collections.abc import Iterator
from typing import Any

from hv.monitor.clauses import NOT_WATCHED, WATCHED
from hv.monitor.verdicts import Verdicts


def totals(verdicts: Verdicts) -> str:
    """Say in one line how many clauses were kept, broken, and never exercised."""
    broken, exercised = verdicts.broken, verdicts.exercised
    return (
        f"driver clauses: {len(exercised - broken)} kept, {len(broken)} broken, "
        f"{len(WATCHED) - len(exercised)} not exercised, {len(NOT_WATCHED)} not to be seen from outside"
    )


def report(verdicts: Verdicts) -> Iterator[str]:
    """Yield lines: each breach with its call trace, what was not exercised, and the totals."""
    for breach in verdicts.breaches:
        yield breach.headline()
        yield f"  {breach.clause}: {WATCHED[breach.clause]}"
        yield from (f"   {function}" for function in breach.functions)
    idle = sorted(WATCHED.keys() - verdicts.exercised)
    if idle:
        yield f"not exercised: {' '.join(idle)}"
    yield totals(verdicts)


def as_json(verdicts: Verdicts) -> dict[str, Any]:
    """Return them as plain data: how often each clause was kept, breaches, and what was not exercised."""
    return {
        "kept": dict(sorted(verdicts.kept.items())),
        "broken": [breach.as_json() for breach in verdicts.breaches],
        "not_exercised": sorted(WATCHED.keys() - verdicts.exercised),
        "not_watched": NOT_WATCHED,
    }
