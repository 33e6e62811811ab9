"""Outcome and coverage as HTML pages that need nothing else: no script, no font, no network."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from string import Template

from hv.conformance import register
from hv.conformance.coverage import Entry, State, tally
from hv.conformance.suite import DIFFERENCE, FAILED, NOT_APPLICABLE, PASSED, Result, sentence
from hv.files import replacing, write_all
from hv.markup import Markup, join, tag

_COLOURS = {
    PASSED: "good",
    DIFFERENCE: "risk",
    NOT_APPLICABLE: "risk",
    FAILED: "wrong",
    State.TESTED: "good",
    State.WATCHED: "good",
    State.UNTESTABLE: "risk",
    State.OPEN: "wrong",
}


def write_page(results: Sequence[Result], dut: str, path: Path) -> None:
    """Write the outcome of a run, what did not pass first; raises HostError."""
    sections = [
        _section(outcome, [_outcome(each) for each in results if each.outcome == outcome])
        for outcome in (FAILED, DIFFERENCE, NOT_APPLICABLE, PASSED)
    ]
    _write(f"virtio conformance of {dut}", sentence(results), sections, path)


def write_coverage(entries: Sequence[Entry], path: Path) -> None:
    """Write every clause with what accounts for it, chapter by chapter; raises HostError."""
    counts = tally(entries)
    sections = [
        _section(chapter, [_entry(each) for each in group])
        for chapter, group in groupby(entries, lambda entry: entry.clause.chapter)
    ]
    counted = ", ".join(f"{counts[state]} {state}" for state in State)
    _write(
        "virtio 1.4: clauses and what accounts for them", f"{len(entries)} clauses: {counted}", sections, path
    )


def _outcome(result: Result) -> Markup:
    asked = [tag("div", str(register.clauses()[each])) for each in result.clauses]
    seen = [tag("pre", result.text)] if result.text else []
    name = tag("td", result.name, tag("div", tag("small", result.summary)))
    return tag(
        "tr", name, tag("td", *asked, *seen), tag("td", result.outcome, class_=_COLOURS[result.outcome])
    )


def _entry(entry: Entry) -> Markup:
    clause = entry.clause
    by = ", ".join(entry.tests) or entry.reason
    return tag(
        "tr",
        tag("td", clause.id),
        tag("td", f"{clause.role} {clause.level} {clause.text}", tag("div", tag("small", by))),
        tag("td", entry.state, class_=_COLOURS[entry.state]),
    )


def _section(title: str, rows: Sequence[Markup]) -> Markup:
    if not rows:
        return Markup()
    return tag("section", tag("h2", f"{title} ({len(rows)})"), tag("div", tag("table", *rows), class_="wide"))


def _write(title: str, line: str, sections: Iterable[Markup], path: Path) -> None:
    parts = files("hv.conformance")
    page = Template(parts.joinpath("page.html").read_text()).substitute(
        title=join([title]),
        style=parts.joinpath("page.css").read_text(),
        sentence=join([line]),
        sections=join(list(sections)),
    )
    with replacing(path, "page") as file:
        write_all(file, memoryview(page.encode()))
