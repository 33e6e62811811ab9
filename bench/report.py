"""A contest's medians as a table: a line a quantity, a column a contestant, a ratio, a floor."""

from rich.console import Console
from rich.table import Table

from bench.contest import HERE, Contest, Medians, Quantity


def show(contest: Contest, medians: Medians, out: Console) -> None:
    """Print it."""
    peers = [name for name in contest.contestants if name != HERE]
    table = Table(title=contest.title, title_justify="left", box=None, pad_edge=False)
    table.add_column(f"median of {contest.rounds}")
    table.add_column("unit")
    for name in contest.contestants:
        table.add_column(name, justify="right")
    if peers:
        table.add_column(f"here : {peers[0]}", justify="right")
    table.add_column("floor")
    for quantity in contest.quantities:
        figures = [_figure(contest, medians, name, quantity) for name in contest.contestants]
        ratio = [_ratio(quantity.times_as_good(medians, peer)) for peer in peers[:1]]
        table.add_row(quantity.name, quantity.unit, *figures, *ratio, _floor(quantity, medians))
    out.print(table)


def _figure(contest: Contest, medians: Medians, contestant: str, quantity: Quantity) -> str:
    if contest.contestants[contestant] is None:
        return "not installed"
    figure = medians[contestant].get(quantity.name)
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.3g}"


def _ratio(times: float | None) -> str:
    return "-" if times is None else f"{times:.2f} x"


def _floor(quantity: Quantity, medians: Medians) -> str:
    if quantity.floor is None:
        return ""
    verdict = {True: "met", False: "NOT MET", None: "no peer"}[quantity.floor.met(quantity, medians)]
    return f"{quantity.floor}: {verdict}"
