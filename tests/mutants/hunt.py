"""Has the conformance suite look for mutants, each in a process of its own.

Processes are forked from one that has imported what takes long, and nothing of `devices`.
"""

import os
from collections.abc import Iterable
from multiprocessing import get_context

from tests.mutants import MUTANTS
from tests.mutants.mutant import Mutant

_AT_ONCE = 2
_PRELOADED = ["hypothesis", "numba", "pytest"]


def killers(name: str) -> list[str]:
    """Infect this process with a mutant; return the tests marked with its clause that say what is wrong.

    A test that crashes has not found the bug: only failed assertions count.
    """
    mutant = MUTANTS[name]
    mutant.infect()
    from hv.conformance.suite import FAILED, Selection, run

    results = run(Selection(clause=mutant.clause))
    found = [each for each in results if each.outcome == FAILED and "Traceback" not in each.text]
    return list(dict.fromkeys(each.function for each in found))


def rows(mutants: Iterable[Mutant]) -> Iterable[str]:
    """Yield a row of the documentation's table for each mutant, in their order."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # nothing is compiled for a kernel with a bug
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with context.Pool(_AT_ONCE, maxtasksperchild=1) as pool:
        mutants = list(mutants)
        for mutant, found in zip(mutants, pool.imap(killers, [each.name for each in mutants]), strict=True):
            tests = ", ".join(f"`{each}`" for each in found) or "none"
            yield f"| {mutant.clause} | {mutant.name} | {mutant.bug} | {tests} |"
