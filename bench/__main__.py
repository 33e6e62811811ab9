"""Run the contests: all, or those named on the command line."""

import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench import balloon, boot, compute, hibernation, linux, report, rings, snapshot, start

CONTESTS = {
    "boot": boot.contest,
    "compute": compute.contest,
    "balloon": balloon.contest,
    "rings": rings.contest,
    "start": start.contest,
    "hibernation": hibernation.contest,
    "linux": linux.contest,
    "snapshot": snapshot.contest,
}


def main(names: list[str]) -> None:
    """Run contests by name; none means all of them."""
    unknown = sorted(set(names) - set(CONTESTS))
    if unknown:
        sys.exit(f"bench: no contest {unknown[0]!r}; there are: {', '.join(CONTESTS)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second start finds the bytecode of the first
    out = Console(width=120, highlight=False)
    for name in names or CONTESTS:
        with tempfile.TemporaryDirectory(prefix="thawvisor-bench-") as scratch:
            contest = CONTESTS[name](Path(scratch))
            report.show(contest, contest.run(), out)
        out.print()


main(sys.argv[1:])
