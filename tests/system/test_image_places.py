"""Where the kernel that loads an image puts its pages."""

from hv import board
from hv.scenario import World


def test_a_page_has_one_place() -> None:
    """A load that runs out of safe pages while it lists them comes upon frames that have a place already.

    With the balloon at a quarter of RAM the loader's last pages are such frames; what they were given must
    not be another page's.
    """
    with World("e4") as world:
        world.ram = 128 * board.MIB
        world.disk = bytes(144 * board.MIB)
        run = world.boot()
        run.enable_swap()
        run.touch(16384)
        run.release()
        run.touch(8192)
        run.set_target(8192)
        run.until_target()
        run.balance("inflated")
        run.hibernate()
        woken = world.next()
        woken.until_target()
        woken.verify()
        woken.balance("resumed")
        assert world.journal.findings == []
