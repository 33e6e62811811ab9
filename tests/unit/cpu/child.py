"""Runs a guest program in a process of its own: `python -m tests.unit.cpu.child ELF PROGRAM [STATE]`.

Prints one line of JSON: what the program printed, the clock, the hash of RAM, and whether anything had to be
compiled.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from hv.cpu import block, csr, interrupts, loop, mmu, trap
from tests.unit.cpu.board import Board, Image


def compiled_anew() -> list[str]:
    """Return the hooks that did not come out of the cache."""
    modules = (block, csr, interrupts, loop, mmu, trap)
    hooks: dict[str, Any] = {
        name: thing
        for module in modules
        for name, thing in vars(module).items()
        if hasattr(thing, "cache_hits")
    }
    misses = [name for name, hook in hooks.items() if not hook.cache_hits]
    run: Any = loop.run
    return misses + ["run"] * sum(run.stats.cache_misses.values())


def main() -> None:
    """Run, and say how it ended."""
    with Board(Image(Path(sys.argv[1])), sys.argv[2]) as board:
        if len(sys.argv) > 3:
            board.restore(pickle.loads(Path(sys.argv[3]).read_bytes()))
        text = board.finish()
        outcome = {
            "text": text,
            "ns": board.hart.now_ns,
            "digest": board.digest(),
            "compiled": compiled_anew(),
        }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
