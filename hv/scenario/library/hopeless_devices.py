"""Devices that misbehave for good."""

import errno

from hv.scenario import SECOND, Carrier, Run, World, scenario

TARGET = 2000


@scenario(eras=("e4",), carriers=(Carrier.SWAP,))
def hopeless_balloon(world: World) -> None:
    """A balloon that lies about every request is given up, with the pages that it had; the next one works."""
    run = world.start(touch=2000, target=TARGET)
    run.misbehave("balloon:used-id-out-of-range+")
    run.set_target(2 * TARGET)
    run.until_ns(run.ns + SECOND)
    _gave_up(run, "virtio_balloon virtio1: given up, error -5")
    run.verify()
    books = run.take_books("given up")
    world.figure("pages_in_limbo", books.host.ballooned - books.host.actual)
    world.check(
        books.guest.offline == books.guest.num_pages == books.host.ballooned,
        f"{books.guest.offline} pages are offline, {books.host.ballooned} are the host's",
    )
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed")


@scenario(eras=("e4",), carriers=(Carrier.SWAP,))
def hopeless_disk(world: World) -> None:
    """A disk that never answers costs a hibernation, and no page; when it works again, so does the guest."""
    run = world.start(touch=2000, target=TARGET)
    for fault in ("silent", "used-id-out-of-range+"):
        run.misbehave(f"disk:{fault}")
        run.hibernate_fails(-errno.ETIMEDOUT)
        _gave_up(run, "virtio_blk virtio0: given up, error -110")
        run.until_target()
        run.verify()
        run.balance(f"{fault}: thawed")
        run.behave()
        run.shell("suspend 1")  # it is tried again when the machine next wakes up
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed")


def _gave_up(run: Run, text: str) -> None:
    run.world.check(run.said(text), f"the guest does not say {text!r}")
