"""The eras of the balloon driver: what each asks of the host, what it leaks, and what a failure leaves."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from devices.virtio.balloon import BalloonAnomalies
from hv import books
from hv.hibernate import thaw, write_host_image
from hv.stop import StopReason
from tests.harness.guest import SECOND, Guest, config
from tests.system.hibernation import (
    RAM_MIB,
    TARGET,
    TOUCH,
    balloon_of,
    intact,
    judge,
    resumed,
    woken,
    working,
)

ARRAY = 256
"""Pages in one request (VIRTIO_BALLOON_ARRAY_PFNS_MAX)."""


@dataclass(frozen=True)
class Era:
    """What one policy is expected to do with a balloon of TARGET pages.

    Attributes:
        name: `balloon.policy`.
        given_back: pages that it asks back from the host between the command and the power-off.
        leaked: pages that are in use and nobody's after the resume.
        settles: its balloon comes to the host's target again.
    """

    name: str
    given_back: int
    leaked: int = 0
    settles: bool = True

    @property
    def append(self) -> str:
        """The kernel's command line."""
        return f"balloon.policy={self.name}"

    def __str__(self) -> str:
        return self.name


ERAS = (
    Era("none", 0, settles=False),
    Era("e0", 0, leaked=TARGET),
    Era("e1", TARGET + ARRAY),  # thaw() fills one array before the image is written
    Era("e3", TARGET),
    Era("e4", TARGET),
    Era("discard", 0),
)

every_era = pytest.mark.parametrize("era", ERAS, ids=str)


def check_resumed(guest: Guest, era: Era, before: books.Entry) -> None:
    """Memory is right, the books balance but for the era's leak, and the device saw no nonsense."""
    if era.settles:
        guest.wait_for_balloon()
    intact(guest)
    after = books.take("resumed", guest.machine, guest)
    assert after.guest.kernel - before.guest.kernel == pytest.approx(era.leaked, abs=books.SLACK_PAGES)
    findings = [finding.text for finding in books.balance([before, after])]
    if era.settles:
        assert [text for text in findings if "leaked" not in text] == []
        assert len(findings) == bool(era.leaked)
    assert balloon_of(guest).anomalies == BalloonAnomalies()


@every_era
def test_through_swap(era: Era, disk: Path) -> None:
    """Pages asked back before power-off, pages leaked after resume: each era's own figures."""
    with working(disk, era.append) as guest:
        before = books.take("before", guest.machine, guest)
        guest.type_last("hibernate", StopReason.POWEROFF)
        balloon = balloon_of(guest)
        assert balloon.counters.deflated_pages == era.given_back
        assert (balloon.counters.deflate_requests == 0) == (era.given_back == 0)
        assert balloon.actual_pages == (0 if era.given_back else TARGET)
    with woken(disk, era.append) as guest:
        check_resumed(guest, era, before)


@every_era
def test_through_the_platform(era: Era, tmp_path: Path) -> None:
    """The same carried by a host image, where no kernel thaws in between to write one."""
    image = tmp_path / "guest.s4"
    with working(None, era.append, swap=False) as guest:
        before = books.take("before", guest.machine, guest)
        guest.type_last("hibernate platform", StopReason.HIBERNATE)
        assert balloon_of(guest).counters.deflated_pages == (TARGET if era.given_back else 0)
        write_host_image(guest.machine, image)
    with thaw(image, config(RAM_MIB, balloon=TARGET)) as machine:
        check_resumed(resumed(machine), era, before)


@every_era
def test_a_failed_hibernation(era: Era) -> None:
    """The seed's own test, swapoff and S4: it fails, and the balloon is at its target, on both sides.

    Only the eras that deflate in freeze() moved pages for nothing.
    """
    with working(None, era.append, swap=False) as guest:
        guest.type("hibernate", status=-19)
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "thawed") == []
        counters = balloon_of(guest).counters
        assert counters.deflated_pages == (TARGET if era.given_back else 0)
        assert counters.inflated_pages == TARGET + counters.deflated_pages


def test_none_leaves_a_dead_balloon_in_a_live_guest(disk: Path) -> None:
    """Before 2012: the guest's pages stay offline for nothing, and the new device never hears of its queues.

    The rest works: memory, a new target that nobody follows, a second hibernation.
    """
    with working(disk, "balloon.policy=none") as guest:
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk, "balloon.policy=none") as guest:
        guest.machine.set_balloon_target(TARGET // 2)
        guest.machine.run(guest.machine.now_ns + 20 * SECOND)
        entry = books.take("resumed", guest.machine, guest)
        assert (entry.guest.num_pages, entry.guest.offline) == (TARGET, TARGET)
        assert (entry.host.ballooned, entry.host.actual) == (0, 0)
        assert balloon_of(guest).counters.inflate_requests == 0
        intact(guest)
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk) as guest:
        intact(guest)


def test_e1_waits_for_a_device_that_is_not_live(disk: Path) -> None:
    """It fills before DRIVER_OK: a device that goes by the book lets it wait, 5 s and no longer."""
    with working(disk, "balloon.policy=e1") as guest:
        start = guest.machine.now_ns
        guest.type_last("hibernate", StopReason.POWEROFF)
        assert "does not answer before DRIVER_OK" in guest.machine.console.text()
        assert 5 * SECOND < guest.machine.now_ns - start < 6 * SECOND


@pytest.mark.parametrize("era", ["e0", "e4", "discard"])
def test_a_boot_kernel_with_a_balloon_of_its_own(era: str, disk: Path) -> None:
    """The kernel that loads the image has inflated by then: who deflates in quiesce leaves clean books.

    The seed does not: the host keeps pages that the woken guest has never given, and uses.
    """
    append = f"balloon.policy={era}"
    with working(disk, append) as guest:
        before = books.take("before", guest.machine, guest)
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk, f"{append} resumedelay=1") as guest:
        guest.wait_for_balloon()
        intact(guest)
        after = books.take("resumed", guest.machine, guest)
    stray = TARGET if era == "e0" else 0
    assert after.host.ballooned == after.guest.num_pages + stray
    assert (list(books.balance([before, after])) == []) == (stray == 0)
    assert after.guest.touched == TOUCH
