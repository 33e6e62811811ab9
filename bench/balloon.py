"""The balloon: memory that the guest has used goes to the host and comes back.

Measured from the moment the host sets the target until the driver has reported it as reached (`actual`). Each
round is a fresh guest that fills memory and frees it, so that every page has to be given back to the host for
real; the second inflation is of pages that hold nothing any more.
"""

import time
from pathlib import Path

from bench.contest import HERE, QEMU, AtLeast, Contest, Figures, Quantity, with_qemu
from bench.peers import balloon_rates
from hv import board
from hv.images import FIRMWARE, GUEST
from tests.harness.guest import booted, config
from tests.harness.qemu import Qemu

RAM_MIB = 512
TOUCH_PAGES = 100_000
BALLOON_PAGES = 65_536

INFLATE = "inflate, pages with contents"
DEFLATE = "deflate"
INFLATE_AGAIN = "inflate, pages without"


def contest(_scratch: Path) -> Contest:
    """Return the contest."""
    return Contest(
        title=f"Balloon: {BALLOON_PAGES:,} pages of a guest of {RAM_MIB} MiB that used {TOUCH_PAGES:,}",
        quantities=(
            Quantity(INFLATE, "pages/s", more_is_better=True, floor=AtLeast(2)),
            Quantity(DEFLATE, "pages/s", more_is_better=True),
            Quantity(INFLATE_AGAIN, "pages/s", more_is_better=True, floor=AtLeast(2)),
        ),
        contestants={HERE: _here, QEMU: with_qemu(_on_qemu)},
        rounds=7,
    )


def _here() -> Figures:
    figures = {}
    with booted(config(RAM_MIB)) as guest:
        guest.type(f"touch {TOUCH_PAGES}")
        guest.type("release")
        for name, target in _TARGETS.items():
            start = time.perf_counter()
            guest.inflate(target)
            figures[name] = BALLOON_PAGES / (time.perf_counter() - start)
    return figures


def _on_qemu() -> Figures:
    with Qemu(FIRMWARE, GUEST, RAM_MIB * board.MIB) as qemu:
        qemu.console.wait_for_prompt()
        qemu.console.shell(f"touch {TOUCH_PAGES}")
        qemu.console.shell("release")
        return balloon_rates(qemu, _TARGETS, BALLOON_PAGES)


_TARGETS = {INFLATE: BALLOON_PAGES, DEFLATE: 0, INFLATE_AGAIN: BALLOON_PAGES}
