"""An image in swap with sectors that are not what the guest wrote."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random

from devices.virtio.backends import SECTOR_SIZE
from hv import board
from hv.scenario import Carrier, Case, World, scenario
from hv.scenario.nextboot import Boot, Sleeper, Verdict, boot_all, tell
from hv.scenario.night import Night, record
from hv.scenario.recording import Kept

STRIDE = 48
"""Of the sectors of the image's data, each so many-th is damaged."""

OPTIONS = {"sector": "one sector of the disk only", "damage": "flipped, zeroed or stale: one damage only"}

_Damage = Callable[[Random, bytes, bytes], bytes]
"""Makes new contents of a sector's contents, and of its contents before the hibernation."""


def _flip(chance: Random, now: bytes, _before: bytes) -> bytes:
    bit = chance.randrange(8 * SECTOR_SIZE)
    return (int.from_bytes(now, "little") ^ 1 << bit).to_bytes(SECTOR_SIZE, "little")


_DAMAGES: dict[str, _Damage] = {
    "flipped": _flip,
    "zeroed": lambda _chance, _now, _before: bytes(SECTOR_SIZE),
    "stale": lambda _chance, _now, before: before,
}


@scenario(carriers=(Carrier.SWAP,), eras=("e0", "e4"), options=OPTIONS)
def damaged_sector(world: World) -> None:
    """Any sector of the image flipped, zeroed or of an older image: resumed or fresh, never wrong."""
    night = record(world)
    disk, before = _left(night), night.recording.before
    names = world.choice("damage", list(_DAMAGES))
    damages: dict[tuple[int, str], dict[int, bytes]] = {}
    for sector in _sectors(world, night):
        chance = Random(f"{world.seed} {sector}")
        now = _at(disk, sector)
        contents = {name: _DAMAGES[name](chance, now, _at(before, sector)) for name in names}
        damages |= {(sector, name): {sector: new} for name, new in contents.items() if new != now}
    boots = boot_all(partial(_boot, night.sleeper, disk), list(damages.values()), world.jobs)
    tell(world, "damaged_disks", boots)
    for (sector, name), boot in zip(damages, boots, strict=True):
        if boot.verdict is Verdict.WRONG:
            settings = (("damage", name), ("sector", str(sector)))
            case = Case(__name__, "damaged-sector", world.era.name, world.carrier, world.seed, settings)
            world.find(f"sector {sector} {name}: {boot.text}; replay: {case.command}")


@scenario(carriers=(Carrier.SWAP,), eras=("e0", "e4"))
def older_image_under_a_new_header(world: World) -> None:
    """Whole parts of an older image of the same guest are in the place of the new ones: never resumed."""
    night = record(world)
    disk, before = _left(night), night.recording.before
    info, pages, data = (list(part) for part in _parts(night))
    mixed = {
        "info": info,
        "list": pages,
        "data": data,
        "info and list": info + pages,
        "list and data": pages + data,
        "all": info + pages + data,
    }
    boots = []
    for name, sectors in mixed.items():
        patches = {sector: _at(before, sector) for sector in sectors}
        boots.append(_boot(night.sleeper, disk, patches))
        # The list may well be the same, page for page.
        same = _patched(disk, patches) == disk
        fresh = boots[-1].verdict is Verdict.FRESH
        world.check(fresh or same, f"older {name}: {boots[-1].verdict.value} {boots[-1].text}")
    tell(world, "mixed_images", boots)


def _left(night: Night) -> bytes:
    """Return the disk as it was when the machine was off."""
    return night.recording.medium(night.recording.survivors(night.asleep, Kept.KEPT, 0))


def _parts(night: Night) -> tuple[range, range, range]:
    """Find the sectors of the image's description, of its list of pages (512 to a page), and of its data."""
    page = board.PAGE_SIZE // SECTOR_SIZE
    last = max(step[0] // SECTOR_SIZE for step in night.recording.steps if step is not None)
    return range(page, 2 * page), range(2 * page, 3 * page), range(3 * page, last + 1)


def _sectors(world: World, night: Night) -> Sequence[int]:
    info, pages, data = _parts(night)
    chosen = [*range(info.start), *info, *pages, *data[:-1:STRIDE], data[-1]]
    sector = world.number("sector", data[-1], least=0)
    return chosen if sector is None else [sector]


def _at(disk: bytes, sector: int) -> bytes:
    return disk[sector * SECTOR_SIZE : (sector + 1) * SECTOR_SIZE]


def _patched(disk: bytes, patches: Mapping[int, bytes]) -> bytes:
    damaged = bytearray(disk)
    for sector, contents in patches.items():
        damaged[sector * SECTOR_SIZE : (sector + 1) * SECTOR_SIZE] = contents
    return bytes(damaged)


def _boot(sleeper: Sleeper, disk: bytes, patches: Mapping[int, bytes]) -> Boot:
    """Boot the disk with other contents in some sectors."""
    header = board.PAGE_SIZE // SECTOR_SIZE
    return sleeper.boot(_patched(disk, patches), swap_is_usable=min(patches) >= header)
