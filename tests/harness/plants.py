"""Guest kernels with a bug on purpose: one for each `PLANT_*` that guest/include/plant.h describes."""

import re
from dataclasses import dataclass
from pathlib import Path

from hv.images.build import IMAGES, build

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "guest/include/plant.h"

_ROW = re.compile(r"^ \* (PLANT_\w+)\t+(\w+)\t", re.MULTILINE)
_POLICY = {"PLANT_READ_STALE": "discard", "PLANT_SAVE_OFFLINE": "discard"}


@dataclass(frozen=True)
class Plant:
    """One bug.

    Attributes:
        flag: the macro that plants it.
        function: the guest's function that misbehaves.
        policy: the balloon's policy that lets it show, "" for any.
    """

    flag: str
    function: str
    policy: str

    @property
    def append(self) -> str:
        """The kernel's command line that it needs."""
        return f"balloon.policy={self.policy}" if self.policy else ""

    def __str__(self) -> str:
        return self.flag.removeprefix("PLANT_").lower()


PLANTS = tuple(
    Plant(flag, function, _POLICY.get(flag, "")) for flag, function in _ROW.findall(HEADER.read_text())
)
"""All of them, in the header's order."""


def plant_kernel(plant: Plant, folder: Path) -> Path:
    """Return the guest kernel with this bug, built into `folder` unless it is there already."""
    path = folder / f"{plant}.elf"
    if not path.exists():
        objects = folder / "objects"
        objects.mkdir(exist_ok=True)
        build(IMAGES[1], ROOT, path, ROOT / ".zig-cache", (plant.flag,), objects)
    return path
