"""Devices that offer less than the guest had agreed on, after a resume or a reset."""

import errno

from devices.virtio.constants import VIRTIO_BALLOON_F_MUST_TELL_HOST, VIRTIO_BLK_F_FLUSH
from hv.scenario import SECOND, Carrier, Run, World, scenario

TARGET = 2000


@scenario()
def balloon_features_withdrawn(world: World) -> None:
    """Without MUST_TELL_HOST the balloon is refused clearly, no page is given, and none is missing."""
    world.start(touch=2000, target=TARGET).hibernate()
    woken = world.power_on()
    woken.misbehave(f"balloon:features-withdrawn={VIRTIO_BALLOON_F_MUST_TELL_HOST}")
    _refused(woken)
    books = woken.take_books("resumed")
    world.figure("pages_given", books.host.ballooned, expected=0)
    world.figure("pages_offline", books.guest.offline, expected=0)
    world.figure("pages_in_the_balloon", books.guest.num_pages, expected=0)
    woken.release()
    woken.touch(2000 + TARGET)
    woken.verify()


@scenario(carriers=(Carrier.SWAP,))
def disk_features_withdrawn(world: World) -> None:
    """Without FLUSH the disk is refused clearly: the guest resumes, balloons, and cannot sleep any more."""
    world.start(touch=2000, target=TARGET).hibernate()
    woken = world.power_on()
    woken.misbehave(f"disk:features-withdrawn={VIRTIO_BLK_F_FLUSH}")
    _refused(woken)
    woken.until_target()
    woken.balance("resumed", leak=TARGET if world.era.leaks else 0)
    woken.hibernate_fails(-errno.EIO)
    woken.until_target()
    woken.verify()
    woken.balance("thawed", leak=TARGET if world.era.leaks else 0)


@scenario(eras=("e4",), carriers=(Carrier.SWAP,))
def features_withdrawn_in_mid_work(world: World) -> None:
    """A balloon that fails, and offers less after its reset, is given up; its pages stay where they are.

    Both sides know of them. On the next machine nobody has them: they are free again, and the balloon works.
    """
    run = world.start(touch=2000, target=TARGET)
    run.misbehave(f"balloon:features-withdrawn={VIRTIO_BALLOON_F_MUST_TELL_HOST}")
    run.misbehave("balloon:needs-reset")
    run.until_ns(run.ns + SECOND)
    for text in ("device needs a reset", "device does not offer features 1", "given up, error -19"):
        world.check(run.said(text), f"the guest does not say {text!r}")
    run.verify()
    books = run.take_books("given up")
    world.figure("pages_kept", books.host.ballooned, expected=TARGET)
    world.figure("pages_offline", books.guest.offline, expected=TARGET)
    run.hibernate()
    woken = world.next()
    woken.until_target()
    woken.verify()
    woken.balance("resumed")


def _refused(woken: Run) -> None:
    woken.until_resumed()
    for text in ("device does not offer features", "restore failed with error -19"):
        woken.world.check(woken.said(text), f"the guest does not say {text!r}")
    woken.verify()
