"""The register of clauses: what virtio 1.4 asks of devices and drivers, one line each, in our words.

`clauses.tsv` is the register, `untestable.tsv` says which clauses cannot be tested here and why, and
`differences.tsv` where a device is known to do otherwise. They lie beside the tests.
"""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hv.errors import ImageError

_HERE = Path(__file__).parent

TESTS = _HERE / "tests" if (_HERE / "tests").is_dir() else _HERE.parents[1] / "tests" / "conformance"
"""Where the tests are: in the package when installed, else in the project's tree."""

LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")

_COLUMNS = ["section_label", "role", "level", "paraphrase", "area", "interface", "since", "id"]


class Clause(NamedTuple):
    """One normative statement.

    Attributes:
        id: `C001` and so on; stays the same for ever.
        role: `device` or `driver`.
        level: one of `LEVELS`.
        text: what it asks, after role and level.
        chapter: the specification's section, outermost first.
        area: a short name of what it is about.
        interface: `modern` or `legacy`.
        since: version of the specification that brought it, or "".
    """

    id: str
    role: str
    level: str
    text: str
    chapter: str
    area: str
    interface: str
    since: str

    def __str__(self) -> str:
        return f"{self.id}: the {self.role} {self.level} {self.text}"


@cache
def clauses() -> dict[str, Clause]:
    """Return the register, by id; raises ImageError."""
    found: dict[str, Clause] = {}
    for line, row in rows("clauses.tsv", _COLUMNS):
        clause = Clause(
            row["id"],
            row["role"],
            row["level"],
            row["paraphrase"],
            row["section_label"].partition(":")[2],
            row["area"],
            row["interface"],
            row["since"],
        )
        if clause.id != f"C{len(found) + 1:03}" or clause.level not in LEVELS:
            raise ImageError(f"clauses.tsv:{line}: id {clause.id!r}, level {clause.level!r}; restore it")
        if clause.role not in ("device", "driver") or clause.interface not in ("modern", "legacy"):
            raise ImageError(f"clauses.tsv:{line}: no such role or interface; restore it")
        found[clause.id] = clause
    return found


@cache
def untestable() -> dict[str, str]:
    """Return the clauses that cannot be tested here, with the reason; raises ImageError."""
    found = {}
    for line, row in rows("untestable.tsv", ["clause", "reason"]):
        if row["clause"] not in clauses() or row["clause"] in found or not row["reason"]:
            raise ImageError(f"untestable.tsv:{line}: unknown or doubled clause, or no reason; mend it")
        found[row["clause"]] = row["reason"]
    return found


def rows(name: str, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, fields) of a table beside the tests; raises ImageError."""
    try:
        with (TESTS / name).open(newline="", encoding="utf-8") as file:
            table = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if next(table, None) != columns:
                raise ImageError(f"{name}:1: the columns must be {' '.join(columns)}; mend the header")
            for fields in table:
                if len(fields) != len(columns):
                    raise ImageError(f"{name}:{table.line_num}: {len(fields)} fields; mend it")
                yield table.line_num, dict(zip(columns, fields, strict=True))
    except OSError as error:
        raise ImageError(f"{TESTS / name}: {error.strerror}; install thawvisor anew") from None
