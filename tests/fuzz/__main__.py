"""Fuzz the virtio devices with atheris: `python -m tests.fuzz [libFuzzer's options] [corpus directories]`.

An input that breaks a rule is written to crash-* in the current directory, and ends the run;
`python -m tests.fuzz crash-...` shows it again.
"""

import os
import sys

os.environ["NUMBA_DISABLE_JIT"] = (
    "1"  # before numba is imported: kernels are then Python, which can be traced
)

import atheris

with atheris.instrument_imports(include=["devices"]):
    from devices.virtio import kernels
    from tests.fuzz.oracle import check

kernels.MAX_PFNS = 64  # a buffer with more is found sooner, and looked at faster

# Programs are short, but not at first one byte long.
atheris.Setup([sys.argv[0], "-max_len=256", "-len_control=0", *sys.argv[1:]], check)
atheris.Fuzz()
