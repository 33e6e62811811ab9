"""Sets of pages, as people write them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
"""One flag for each page of RAM, in order of addresses."""

_SHOWN = 4


def ranges(flags: Flags) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of each run of pages that are set."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    yield from ((start, end - 1) for start, end in zip(edges[::2], edges[1::2], strict=True))


def describe_pages(flags: Flags, base: int = 0) -> str:
    """Return a line like `3 pages: 0x80412-0x80413, 0x80500`; the numbers are those of page frames.

    Args:
        flags: the pages.
        base: frame number of the first one.
    """
    found = list(ranges(flags))
    shown = [
        f"{base + first:#x}" if first == last else f"{base + first:#x}-{base + last:#x}"
        for first, last in found
    ]
    more = [f"and {len(found) - _SHOWN} more ranges"] if len(found) > _SHOWN else []
    count = int(np.count_nonzero(flags))
    return f"{count} page{'s' * (count != 1)}: {', '.join(shown[:_SHOWN] + more)}"
