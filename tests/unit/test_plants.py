"""The list of bugs on purpose is the truth about the guest's source."""

import re

from tests.harness.plants import PLANTS, ROOT


def test_every_plant_is_one_place() -> None:
    """The header lists exactly the flags that the guest's source tests, and each is tested once."""
    sources = "".join(path.read_text() for path in sorted((ROOT / "guest").rglob("*.c")))
    used = re.findall(r"PLANTED(?:_ONCE|_AGAIN)?\((PLANT_\w+)\)", sources)
    assert sorted(used) == sorted(plant.flag for plant in PLANTS)
