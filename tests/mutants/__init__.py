"""Our devices with bugs on purpose: what the conformance suite is tested with."""

from tests.mutants.balloon import BALLOON
from tests.mutants.block import BLOCK
from tests.mutants.life import LIFE
from tests.mutants.registers import REGISTERS
from tests.mutants.rings import RINGS
from tests.mutants.suspend import SUSPEND

MUTANTS = {mutant.name: mutant for mutant in (*LIFE, *SUSPEND, *REGISTERS, *RINGS, *BALLOON, *BLOCK)}
"""All of them, by name."""
