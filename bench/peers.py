"""What several contests measure in the same way, of our process and of QEMU's."""

import subprocess
import sys
import time
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path

from tests.harness.qemu import Qemu

_POLL_S = 0.001
"""How often QEMU is asked for `actual`. It tells by itself only once a second, and asking it without a pause
makes its guest two to three times slower."""


def seconds_to_prompt(prompt: bytes, *arguments: str | Path) -> float:
    """Start `thawvisor run` with `arguments`; return the seconds until it has printed `prompt`.

    Raises:
        RuntimeError: it ended before that.
    """
    start = time.perf_counter()
    command = [Path(sys.executable).with_name("thawvisor"), "run", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert isinstance(process.stdout, BufferedReader)
        printed = b""
        while prompt not in printed:
            piece = process.stdout.read1()
            if not piece:
                raise RuntimeError(f"`thawvisor run` ended before its prompt: {printed[-500:]!r}")
            printed += piece
        seconds = time.perf_counter() - start
        process.kill()
    return seconds


def balloon_rates(qemu: Qemu, targets: Mapping[str, int], pages: int) -> dict[str, float]:
    """Set one target after another, each `pages` from the one before; return the pages a second of each."""
    rates = {}
    for name, target in targets.items():
        start = time.perf_counter()
        qemu.set_balloon(target)
        while qemu.query_balloon() != target:
            time.sleep(_POLL_S)
        rates[name] = pages / (time.perf_counter() - start)
    return rates
