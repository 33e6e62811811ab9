"""`python -m tests.mutants [NAME ...]` prints the rows of docs/mutants.md."""

import sys

from tests.mutants import MUTANTS
from tests.mutants.hunt import rows

if __name__ == "__main__":
    for row in rows([MUTANTS[name] for name in sys.argv[1:]] or MUTANTS.values()):
        print(row, flush=True)
