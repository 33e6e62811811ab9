"""Coverage as JUnit XML: a chapter is a suite, a clause a case."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from hv.conformance.coverage import Entry, State
from hv.files import replacing, write_all


def write_coverage(entries: Sequence[Entry], path: Path) -> None:
    """Write every clause: skipped where it is not testable here, failed where nobody accounts for it.

    Raises HostError.
    """
    root = ElementTree.Element("testsuites", name="virtio 1.4 clauses")
    for chapter, group in groupby(entries, lambda entry: entry.clause.chapter):
        cases = [_case(entry) for entry in group]
        suite = ElementTree.SubElement(root, "testsuite", name=chapter, tests=str(len(cases)))
        suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        suite.extend(cases)
    with replacing(path, "JUnit XML") as file:
        write_all(file, memoryview(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)))


def _case(entry: Entry) -> ElementTree.Element:
    clause = entry.clause
    case = ElementTree.Element("testcase", classname=clause.area, name=str(clause))
    if entry.state == State.UNTESTABLE:
        ElementTree.SubElement(case, "skipped", message=entry.reason)
    elif entry.state == State.OPEN:
        ElementTree.SubElement(case, "failure", message=entry.state)
    else:
        ElementTree.SubElement(
            case, "system-out"
        ).text = f"{entry.state}: {' '.join(entry.tests) or entry.reason}"
    return case
