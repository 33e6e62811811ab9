"""`thawvisor balloon`: the balloon of a machine that runs in another process, through its QMP socket."""

from contextlib import closing
from pathlib import Path

import click

from hv import board
from hv.cli.options import FILE, pages
from hv.errors import ConfigError
from hv.qemu.qmp import Qmp, QmpError
from hv.qmp.qom import BALLOON_PATH


@click.command("balloon")
@click.argument("socket", type=FILE)
@click.argument("size", type=pages, required=False)
def command(socket: Path, size: int | None) -> None:
    """Show the balloon of the machine that listens at SOCKET (`run -qmp`); with SIZE, set its target first.

    SIZE is the balloon's, not that of the RAM left. The guest gives its pages as it can: show it again to see
    how far it has come.
    """
    with closing(Qmp.connect(socket)) as qmp:
        ram: int = qmp.execute("query-memory-size-summary")["base-memory"]
        if size is not None:
            left = ram - size * board.PAGE_SIZE
            if left <= 0:
                total = ram // board.PAGE_SIZE
                raise ConfigError(f"a balloon of {size} pages: the machine has {total}; give a smaller SIZE")
            qmp.execute("balloon", value=left)
        actual = (ram - qmp.execute("query-balloon")["actual"]) // board.PAGE_SIZE
        target = _target(qmp)
    for name, value in (("target", target), ("actual", actual)):
        if value is not None:
            click.echo(f"{name} {value} pages ({value * board.PAGE_SIZE / board.MIB:g} MiB)")


def _target(qmp: Qmp) -> int | None:
    """Return the target in pages; None from QEMU, which does not tell."""
    try:
        target: int = qmp.execute("qom-get", path=BALLOON_PATH, property="num-pages")
    except QmpError:
        return None
    return target
