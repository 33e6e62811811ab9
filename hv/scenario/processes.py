"""Processes that worlds are played in, and what is over in them.

A world is few objects and many megabytes (RAM, disks), in a knot of references; Python's collector counts
objects. So it is called when a world is over, and need not look through what is imported and here to stay:
numba alone is 100,000 objects.
"""

import gc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def pool(processes: int) -> ProcessPoolExecutor:
    """Return so many processes to play in."""
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_settle)


def _settle() -> None:
    """Begin: unpickling this function has imported all that playing takes."""
    gc.freeze()


def forget() -> None:
    """Give back what worlds held that nobody refers to any more."""
    gc.collect()
