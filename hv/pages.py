"""Sets of pages, as people read them."""

import numpy as np

from devices.memory import Pages, runs

_SHOWN = 4


def describe_pages(pages: Pages, base: int = 0) -> str:
    """Return a line like `3 pages: 0x80412-0x80413, 0x80500`; the numbers are those of page frames.

    Args:
        pages: the pages.
        base: frame number of the first one.
    """
    found = list(runs(pages))
    shown = [
        f"{base + first:#x}" if first + 1 == end else f"{base + first:#x}-{base + end - 1:#x}"
        for first, end in found[:_SHOWN]
    ]
    more = [f"and {len(found) - _SHOWN} more ranges"] if len(found) > _SHOWN else []
    count = int(np.count_nonzero(pages))
    return f"{count} page{'s' * (count != 1)}: {', '.join(shown + more)}"
