"""Coverage of the register, printed."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from hv.conformance.coverage import Entry, State, tally
from hv.conformance.register import LEVELS
from hv.conformance.suite import Result


def show(entries: Sequence[Entry], collected: Sequence[Result], console: Console) -> None:
    """Print coverage by role and level, then by area, then every clause that nobody accounts for."""
    functions = {result.function for result in collected}
    console.print(f"{len(functions)} tests, {len(collected)} with their devices; {len(entries)} clauses")
    for role in ("device", "driver"):
        groups = {
            f"{role} {level}": [e for e in entries if (e.clause.role, e.clause.level) == (role, level)]
            for level in LEVELS
        }
        console.print(_table(f"{role} clauses", groups))
    areas = dict.fromkeys(entry.clause.area for entry in entries)
    console.print(_table("area", {area: [e for e in entries if e.clause.area == area] for area in areas}))
    for entry in entries:
        if entry.state == State.OPEN:
            console.print(f"unaccounted for: {entry.clause}", markup=False, highlight=False)


def _table(title: str, groups: dict[str, list[Entry]]) -> Table:
    """Return a row for each group, and one for all."""
    table = Table(box=None, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for head in ("clauses", *State):
        table.add_column(head, justify="right")
    everything = [entry for group in groups.values() for entry in group]
    for name, group in [*groups.items(), ("all", everything)]:
        table.add_row(name, *_figures(group))
    return table


def _figures(group: Iterable[Entry]) -> list[str]:
    counts = tally(group)
    return [str(counts.total()), *(str(counts[state]) for state in State)]
