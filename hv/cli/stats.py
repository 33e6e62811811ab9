"""`thawvisor stats`: memory statistics of a guest that runs in another process, through its QMP socket."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from hv.cli.options import FILE
from hv.qemu.qmp import Qmp
from hv.qmp.qom import BALLOON_PATH, STAT_NAMES, UNSET

PATIENCE_S = 10.0
"""Seconds in which a driver that has statistics gives them."""

_BYTES = {"free_memory", "total_memory", "available_memory", "disk_caches", "swap_in", "swap_out"}
_INTERVAL = "guest-stats-polling-interval"


@click.command("stats")
@click.argument("socket", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(socket: Path, as_json: bool) -> None:
    """Ask the guest of the machine that listens at SOCKET (`run -qmp`) for fresh statistics, and show them.

    The names are those of VIRTIO_BALLOON_S_*. The exit status is 1 when the guest gives none.
    """
    with closing(Qmp.connect(socket)) as qmp:
        found = _fresh(qmp)
    stats = {ours: found[theirs] for ours, theirs in STAT_NAMES.items() if found.get(theirs, UNSET) != UNSET}
    if as_json:
        click.echo(json.dumps(stats, indent=1))
        return
    for name, value in stats.items():
        click.echo(f"{name:20} {value:>14,}" + (" bytes" if name in _BYTES else ""))


def _fresh(qmp: Qmp) -> dict[str, Any]:
    """Have the machine poll its guest until new statistics have come; leave it polling as it did."""
    qmp.execute("query-balloon")  # it has a balloon, or says so in better words
    if not qmp.execute("query-status")["running"]:
        raise click.ClickException("the machine is paused, its guest cannot answer; `cont` in QMP goes on")
    before: int = qmp.execute("qom-get", path=BALLOON_PATH, property=_INTERVAL)
    since, deadline = int(time.time()), time.monotonic() + PATIENCE_S
    qmp.execute("qom-set", path=BALLOON_PATH, property=_INTERVAL, value=1)
    try:
        while time.monotonic() < deadline:
            found = qmp.execute("qom-get", path=BALLOON_PATH, property="guest-stats")
            if found["last-update"] > since:
                stats: dict[str, Any] = found["stats"]
                return stats
            time.sleep(0.05)
    finally:
        qmp.execute("qom-set", path=BALLOON_PATH, property=_INTERVAL, value=before)
    raise click.ClickException(
        f"the guest gave no statistics within {PATIENCE_S:.0f} s: its driver, or the balloon, has none"
    )
