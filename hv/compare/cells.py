"""The memory map as a picture: RAM in rows of cells, each of many pages, coloured by who has most of them."""

from collections import Counter
from collections.abc import Iterator

from hv.compare.pagemap import Owner, PageMap
from hv.markup import Markup, tag

COLUMNS = 32
ROWS = 16
CELL = 7.0
GAP = 0.6
BACKED_HEIGHT = 2.0
"""Pixels of a cell's foot, which is dark when the host holds memory for most of the cell."""

NAMES = {
    Owner.FIRMWARE: "firmware",
    Owner.FREE: "free",
    Owner.KERNEL: "kernel, in use",
    Owner.TOUCHED: "touched by the workload",
    Owner.BALLOON: "ballooned: offline in the guest, the host has it",
    Owner.STALE: "stale: offline in the guest, no host has it",
    Owner.LEAKED: "leaked: in use, and nobody's",
    Owner.DOUBLE: "double-owned: the host has it, the guest uses it",
}

Cell = Counter[tuple[int, bool]]
"""Pages by (owner, backed)."""

Look = tuple[int, bool]
"""How a cell is drawn: the owner of most of its pages, and whether most take host memory."""


def draw(page_map: PageMap, era: str) -> Markup:
    """Return the picture of one moment, with a description for those who cannot see it."""
    width, height = COLUMNS * CELL, ROWS * CELL
    shapes = [shape for row, cells in enumerate(_rows(page_map)) for shape in _draw_row(row, cells)]
    described = f"Memory map, {era}, {page_map.phase}: {summary(page_map)}"
    return tag(
        "svg", *shapes, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=described, class_="map"
    )


def legend() -> Markup:
    """Return what the colours mean."""
    items = [
        tag("li", tag("i", class_=f"swatch o{owner.value}"), f" {name}") for owner, name in NAMES.items()
    ]
    items.append(tag("li", tag("i", class_="swatch foot"), " dark foot: the host holds memory for it"))
    return tag("ul", *items, class_="legend")


def summary(page_map: PageMap) -> str:
    """Return the pages by owner, and those that take host memory."""
    counts = [(NAMES[owner].partition(":")[0], page_map.count(owner)) for owner in Owner]
    backed = sum(run.pages for run in page_map.runs if run.backed)
    return ", ".join(f"{pages} {name}" for name, pages in counts if pages) + f"; {backed} backed by the host"


def _rows(page_map: PageMap) -> list[list[Cell]]:
    """Deal the pages out to cells, as evenly as it goes."""
    total = sum(run.pages for run in page_map.runs)
    ends = [(cell + 1) * total // (COLUMNS * ROWS) for cell in range(COLUMNS * ROWS)]
    cells: list[Cell] = [Counter() for _ in ends]
    at = cell = 0
    for run in page_map.runs:
        left = run.pages
        while left:
            here = min(left, ends[cell] - at)
            cells[cell][run.owner, run.backed] += here
            at += here
            left -= here
            cell += at == ends[cell]
    return [cells[row * COLUMNS : (row + 1) * COLUMNS] for row in range(ROWS)]


def _draw_row(row: int, cells: list[Cell]) -> Iterator[Markup]:
    """Draw neighbours that look alike as one shape, with all their pages in its text."""
    start = 0
    for end in range(1, COLUMNS + 1):
        if end < COLUMNS and _look(cells[end]) == _look(cells[start]):
            continue
        inside: Cell = sum(cells[start:end], Counter())
        owner, backed = _look(cells[start])
        box = {"x": start * CELL, "width": (end - start) * CELL - GAP}
        shapes = [tag("rect", y=row * CELL, height=CELL - GAP, class_=f"o{owner}", **box)]
        if backed:
            foot = row * CELL + CELL - GAP - BACKED_HEIGHT
            shapes.append(tag("rect", y=foot, height=BACKED_HEIGHT, class_="foot", **box))
        yield tag("g", tag("title", _describe(inside)), *shapes)
        start = end


def _look(cell: Cell) -> Look:
    """Return how a cell looks; what must not be is seen however few pages it has."""
    owners: Counter[int] = Counter()
    for (owner, _), pages in cell.items():
        owners[owner] += pages
    wrong = [owner for owner in owners if owner >= Owner.STALE]
    owner = max(wrong or owners, key=lambda each: (owners[each], each))
    backed = sum(pages for (_, backed), pages in cell.items() if backed)
    return owner, 2 * backed >= cell.total()


def _describe(cell: Cell) -> str:
    lines = [
        f"{pages} {NAMES[Owner(owner)].partition(':')[0]}, {'backed' if backed else 'not backed'}"
        for (owner, backed), pages in sorted(cell.items())
    ]
    return "\n".join([f"{cell.total()} pages", *lines])
