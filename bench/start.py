"""Starting: how long a user waits for `--help`, and for the guest's first instruction.

All of it is process starts, with warm caches: an installation's very first start also compiles jitted code.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.contest import HERE, Below, Contest, Figures, Quantity

HELP = "thawvisor --help"
RUN = "thawvisor run, to the first guest instruction"
DEMO = "thawvisor demo, to the first guest instruction"


def contest(_scratch: Path) -> Contest:
    """Return the contest, which has no peer; what only a first start does is done."""
    _here()
    return Contest(
        title="Start of a process",
        quantities=(
            Quantity(HELP, "s", floor=Below(0.3)),
            Quantity(RUN, "s", floor=Below(1.5)),
            Quantity(DEMO, "s", floor=Below(1.5)),
        ),
        contestants={HERE: _here},
        rounds=7,
    )


def _here() -> Figures:
    start = time.monotonic()
    subprocess.run(
        [Path(sys.executable).with_name("thawvisor"), "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return {
        HELP: time.monotonic() - start,
        RUN: _first_instruction("run"),
        DEMO: _first_instruction("demo"),
    }


def _first_instruction(verb: str) -> float:
    """Return the seconds from starting a verb's process to its hart's start (`bench.first_instruction`)."""
    with tempfile.NamedTemporaryFile() as told:
        environment = os.environ | {"BENCH_TOLD": told.name}
        command = [sys.executable, "-m", "bench.first_instruction", verb]
        start = time.monotonic()
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return float(told.read()) - start
