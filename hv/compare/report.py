"""A whole comparison: what was compared, by which program, with what result; as JSON and as a table."""

import dataclasses
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from hv.compare.evidence import Evidence, Plan
from hv.compare.metrics import METRICS, Value, figures
from hv.compare.pagemap import Owner
from hv.compare.verdict import headline, sentences


@dataclass(frozen=True)
class Comparison:
    """The plan and every era's evidence, oldest era first."""

    plan: Plan
    evidence: tuple[Evidence, ...]

    @property
    def figures(self) -> dict[str, dict[str, Value]]:
        """Era -> metric -> value."""
        return {each.era: figures(each, self.plan.balloon) for each in self.evidence}

    @property
    def images(self) -> tuple[str, str]:
        """SHA-256 of firmware and guest kernel."""
        return self.evidence[0].firmware, self.evidence[0].kernel

    @property
    def program(self) -> str:
        """Name and version of this program."""
        return f"thawvisor {version('thawvisor')}"

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain data; times are virtual ns, sizes pages or bytes as their names say."""
        firmware, kernel = self.images
        values = self.figures
        return {
            "program": self.program,
            "command": self.plan.command,
            "plan": dataclasses.asdict(self.plan) | {"carrier": self.plan.carrier.value},
            "firmware_sha256": firmware,
            "guest_sha256": kernel,
            "headline": headline(values),
            "metrics": [
                {"key": m.key, "title": m.title.strip(), "unit": m.unit, "how": m.how} for m in METRICS
            ],
            "owners": [owner.name.lower() for owner in Owner],
            "eras": {each.era: {"figures": values[each.era]} | plain(each) for each in self.evidence},
        }


def plain(value: Any) -> Any:
    """Turn dataclasses and named tuples into objects of JSON, with their fields' names."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return {key: plain(part) for key, part in value._asdict().items()}
    return [plain(part) for part in value] if isinstance(value, tuple) else value


def show(comparison: Comparison, out: Console) -> None:
    """Print the table and what it says."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for each in comparison.evidence:
        table.add_column(each.era, justify="right", no_wrap=True)
    values = comparison.figures
    for metric in METRICS:
        cells = [
            metric.text(row[metric.key]).removesuffix(" ms").removesuffix(" MiB") for row in values.values()
        ]
        table.add_row(_title(metric.title, metric.unit), *cells)
    out.print(table, highlight=False)
    out.print()
    for line in (headline(values), *sentences(values)):
        out.print(line, highlight=False, markup=False)


def _title(title: str, unit: str) -> str:
    shown = {"ns": ", ms", "bytes": ", MiB"}.get(unit, "")
    return title + shown
