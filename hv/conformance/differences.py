"""Where a device under test is known to differ from the specification, or from ours: expected findings.

A difference is a failure that is written down. The test runs all the same, and must fail in the way that the
table says; when it passes, or fails otherwise, that is unexpected.
"""

from functools import cache
from typing import NamedTuple

from hv.conformance.register import clauses, rows
from hv.errors import ImageError

_COLUMNS = ["dut", "device", "interface", "test", "clause", "shows", "observed"]


class Difference(NamedTuple):
    """A line of `differences.tsv`.

    Attributes:
        dut: who differs, as `--dut` names it.
        device: kind of device, or `all`.
        interface: `modern`, `legacy` or `both`.
        test: name of the test function, with `[case]` behind it where only that case differs.
        clause: id of the clause that the difference is about, one of the test's own.
        shows: text that the failure's message contains.
        observed: what the device does instead, for people.
    """

    dut: str
    device: str
    interface: str
    test: str
    clause: str
    shows: str
    observed: str

    def expects(self, dut: str, device: str, interface: str, function: str, case: str) -> bool:
        """Return whether this is about a test on such a device."""
        return (
            dut == self.dut
            and self.device in (device, "all")
            and self.interface in (interface, "both")
            and self.test in (function, f"{function}[{case}]")
        )


@cache
def differences() -> tuple[Difference, ...]:
    """Return the table; raises ImageError."""
    found = []
    for line, row in rows("differences.tsv", _COLUMNS):
        if row["clause"] not in clauses() or not row["shows"] or not row["observed"]:
            raise ImageError(f"differences.tsv:{line}: an unknown clause, or nothing observed; mend the line")
        found.append(Difference(**row))
    return tuple(found)


def markdown() -> str:
    """Return the table for docs, clause by clause."""
    lines = ["| Clause | Who | Observed | Test |", "|---|---|---|---|"]
    for each in sorted(differences(), key=lambda each: (each.clause, each.dut, each.test)):
        device = "" if each.device == "all" else f" {each.device}"
        who = f"{each.dut}{device}, {each.interface}"
        lines.append(f"| {clauses()[each.clause]} | {who} | {each.observed} | `{each.test}` |")
    return "\n".join(lines) + "\n"
