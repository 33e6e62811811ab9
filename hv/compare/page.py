"""The comparison as one HTML page that needs nothing else: no script, no font, no network."""

from importlib.resources import files
from pathlib import Path
from string import Template

from hv import board
from hv.compare import cells, timeline
from hv.compare.evidence import Evidence
from hv.compare.metrics import METRICS, NEVER, Metric
from hv.compare.report import Comparison
from hv.compare.verdict import headline, sentences
from hv.files import replacing, write_all
from hv.hibernate import Carrier
from hv.markup import Markup, join, tag

_PARTS = files("hv.compare")

_CARRIERS = {Carrier.SWAP: "the guest’s swap", Carrier.HOST: "the platform"}


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the page, whole or not at all; raises HostError."""
    with replacing(path, "page") as file:
        write_all(file, memoryview(render(comparison).encode()))


def render(comparison: Comparison) -> str:
    """Return the page."""
    plan, firmware_and_guest = comparison.plan, comparison.images
    pages = plan.ram // board.PAGE_SIZE
    shared = timeline.layout(comparison.evidence)
    parts = {
        "style": Markup(_PARTS.joinpath("page.css").read_text()),
        "headline": headline(comparison.figures),
        "sentences": join([tag("li", text) for text in sentences(comparison.figures)]),
        "workload": (
            f"{plan.ram // board.MIB} MiB of RAM, {plan.touch} touched pages, a balloon of {plan.balloon}"
            f" pages, image carried by {_CARRIERS[plan.carrier]}"
        ),
        "command": plan.command,
        "program": comparison.program,
        "firmware": firmware_and_guest[0],
        "guest": firmware_and_guest[1],
        "table": _table(comparison),
        "definitions": join([_definition(metric) for metric in METRICS]),
        "timelines": join([_timeline(each, shared, pages) for each in comparison.evidence]),
        "legend": cells.legend(),
        "cell_pages": f"{pages / (cells.COLUMNS * cells.ROWS):g}",
        "maps": join([_maps(each) for each in comparison.evidence]),
        "findings": join([_findings(each) for each in comparison.evidence]),
    }
    template = Template(_PARTS.joinpath("page.html").read_text())
    return template.substitute({name: join([part]) for name, part in parts.items()})


def _table(comparison: Comparison) -> Markup:
    """Return the rows of figures; each cell has its metric, era and exact value in attributes."""
    values = comparison.figures
    eras = [tag("th", each.era, tag("small", each.commit), scope="col") for each in comparison.evidence]
    rows = []
    for metric in METRICS:
        figures = [
            tag(
                "td",
                metric.text(row[metric.key]),
                data_metric=metric.key,
                data_era=era,
                data_value="" if row[metric.key] is None else str(row[metric.key]),
                class_=_standing(metric, row[metric.key], [other[metric.key] for other in values.values()]),
            )
            for era, row in values.items()
        ]
        sub = "sub" if metric.title.startswith(" ") else ""
        name = tag("a", metric.title.strip(), href=f"#{metric.key}", title=metric.how)
        rows.append(tag("tr", tag("th", name, scope="row", class_=sub), *figures))
    head = tag("thead", tag("tr", tag("td", "pages of 4 KiB; less is better"), *eras))
    return tag("table", head, tag("tbody", *rows), class_="figures")


def _standing(metric: Metric, value: int | None, row: list[int | None]) -> str:
    """Return how a value stands: `bad` or at `risk` in itself, else `best` of the eras' where they differ."""
    if metric.key in ("leaked_pages", "findings") and value:
        return "bad"
    if metric.title.startswith("At risk") and value:
        return "risk"
    if value is None:
        return "bad" if metric.none == NEVER else "none"
    present = [other for other in row if other is not None]
    return "best" if value == min(present) != max(present) else ""


def _definition(metric: Metric) -> Markup:
    unit = "virtual ns" if metric.unit == "ns" else metric.unit
    name = tag("dt", metric.title.strip(), f" ({unit})", id=metric.key)
    return join([name, tag("dd", metric.how, ".")])


def _timeline(evidence: Evidence, shared: timeline.Layout, pages: int) -> Markup:
    caption = tag("figcaption", tag("b", evidence.era), f" {evidence.commit}")
    drawing = tag(
        "div",
        timeline.draw(evidence, shared, pages),
        class_="wide",
        tabindex="0",
        role="region",
        aria_label=f"Timeline of {evidence.era}",
    )
    log = tag("details", tag("summary", "messages"), tag("pre", _log(evidence)))
    return tag("figure", caption, drawing, log)


def _log(evidence: Evidence) -> str:
    lines = [
        f"machine {number} {message.ns / 1e6:12.6f}  {message.side:5}  {message.text}"
        for number, leg in ((1, evidence.asleep), (2, evidence.awake))
        for message in leg.messages
    ]
    return "\n".join(lines)


def _maps(evidence: Evidence) -> Markup:
    figures = [
        tag(
            "figure",
            tag("figcaption", page_map.phase),
            cells.draw(page_map, evidence.era),
            tag("p", cells.summary(page_map), class_="counts"),
        )
        for page_map in evidence.maps
    ]
    title = tag("h3", evidence.era, tag("small", evidence.commit))
    return tag("section", title, tag("div", *figures, class_="maps"), class_="era")


def _findings(evidence: Evidence) -> Markup:
    if not evidence.troubles:
        return Markup()
    texts = [tag("li", f"{each.where}, at {each.ns / 1e6:.3f} ms: {each.text}") for each in evidence.troubles]
    return join([tag("h3", evidence.era), tag("ul", *texts)])
