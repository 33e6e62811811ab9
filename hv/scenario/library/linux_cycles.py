"""Many hibernations of one Linux."""

from hv import board
from hv.scenario import LinuxGuest, World, scenario

CYCLES = 10
MOST_MIB = 2048


@scenario(
    guests=("linux",),
    eras=LinuxGuest.eras,
    carriers=LinuxGuest.carriers,
    campaign=True,
    options={"cycles": f"how many, {CYCLES} unless said", "ram": "MiB of RAM, 512 unless said"},
)
def linux_cycles(world: World) -> None:
    """Memory comes back intact and the balloon, a quarter of RAM, to its target, ten times in a row."""
    world.ram = (world.number("ram", MOST_MIB, 256) or 512) * board.MIB
    world.disk = bytes(world.ram // 2 + board.MIB)
    target = world.ram // board.PAGE_SIZE // 4
    cycles = world.number("cycles", 100) or CYCLES
    run = world.start(touch=1000, target=target)
    for cycle in range(1, cycles + 1):
        run.hibernate()
        world.check(
            run.balloon.counters.deflated_pages >= target, f"cycle {cycle}: the balloon was not given back"
        )
        run = world.next()
        run.until_target()
        run.verify()
        run.balance(f"cycle {cycle}")
    world.figure("cycles", run.number - 1, expected=cycles)
