"""The command `thawvisor` up to the guest's first instruction, in whose place it notes the time and ends.

It is the host's monotonic clock, written to the file that BENCH_TOLD names. `demo` starts its machine in
a new process; that one imports this module too, as multiprocessing does with the main module of its parent.
"""

import os
import time
from pathlib import Path
from typing import NoReturn

from hv.cli import main
from hv.cpu import Hart


def note_the_time(_self: Hart, _until_ns: int) -> NoReturn:
    """Stand in for Hart.run."""
    Path(os.environ["BENCH_TOLD"]).write_text(str(time.monotonic()))
    os._exit(0)


Hart.run = note_the_time  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    main()
