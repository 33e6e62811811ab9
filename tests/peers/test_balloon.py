"""The toy guest's balloon driver on QEMU's device, with every feature that it has."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hv import board
from hv.images import FIRMWARE, GUEST
from tests.harness.console import ConsoleError
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu import Qemu

pytestmark = pytest.mark.peers

ALL = ",deflate-on-oom=on,free-page-reporting=on,page-poison=on,free-page-hint=on,iothread=io"
KNOWN = {"stats", "deflate-on-oom", "free-page-hint", "page-poison", "free-page-reporting"}
BALLOON = "/machine/peripheral/balloon0"


@contextmanager
def guest_on_qemu(options: str = ALL, append: str = "") -> Iterator[Qemu]:
    """A guest at its prompt, with 64 MiB."""
    with Qemu(FIRMWARE, GUEST, 64 * board.MIB, append=append, balloon_options=options) as qemu:
        qemu.console.wait_for_prompt()
        yield qemu


def features(qemu: Qemu) -> set[str]:
    """What driver and device have agreed on."""
    return set(str(qemu.console.shell("balloon")["features"]).split(","))


def statistics(qemu: Qemu) -> dict[str, int]:
    """What QEMU has been told last."""
    told: dict[str, Any] = qemu.qmp.execute("qom-get", path=BALLOON, property="guest-stats")
    return dict(told["stats"])


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("append", ["", "page_poison=on"])
def test_all_that_qemu_offers_is_taken(append: str) -> None:
    """Without poison all but that; statistics, reports and memory out of the balloon work side by side."""
    with guest_on_qemu(append=append) as qemu:
        assert features(qemu) == KNOWN - (set() if append else {"page-poison"})
        qemu.qmp.execute("qom-set", path=BALLOON, property="guest-stats-polling-interval", value=1)
        qemu.console.shell("touch 30M")
        qemu.console.shell("release")
        qemu.console.shell("sleep 2500")
        assert int(qemu.console.shell("balloon report")["reported_total"]) >= 7680
        qemu.set_balloon(8000)
        qemu.wait_balloon(8000)
        qemu.console.shell("hog 50M")
        assert int(qemu.console.shell("balloon")["oom_deflated_total"]) > 0
        assert qemu.query_balloon() < 8000
        wait_for(lambda: statistics(qemu)["stat-minor-faults"] == 12_800)
        total = int(qemu.console.shell("mem")["totalram_pages"]) * board.PAGE_SIZE
        wait_for(lambda: statistics(qemu)["stat-total-memory"] == total)
        assert "memory corruption" not in qemu.console.text


def test_hints_for_a_migration() -> None:
    """While QEMU migrates the guest, free blocks are kept for it; pressure and the end bring them back."""
    with guest_on_qemu() as qemu:
        qemu.console.shell("touch 20M")
        qemu.qmp.execute("migrate-set-parameters", max_bandwidth=1 << 20)
        qemu.qmp.execute("migrate", uri="exec:cat >/dev/null")
        wait_for(lambda: int(qemu.console.shell("balloon hint")["hinted_pages"]) > 4096)
        qemu.console.shell("touch 30M")
        left = qemu.console.shell("balloon hint")
        assert int(left["hinted_pages"]) < int(left["hinted_total"])
        qemu.qmp.execute("migrate_cancel")
        wait_for(lambda: qemu.console.shell("balloon hint")["hinted_pages"] == 0)
        assert qemu.console.shell("verify")["bad_pages"] == 0


def test_reports_without_hints() -> None:
    """QEMU numbers the queue for reports as if that for hints did not exist; the driver finds it."""
    with guest_on_qemu(",free-page-reporting=on") as qemu:
        assert features(qemu) == {"stats", "free-page-reporting"}
        qemu.console.shell("touch 30M")
        qemu.console.shell("release")
        qemu.console.shell("sleep 2500")
        assert int(qemu.console.shell("balloon report")["reported_total"]) >= 7680
        with pytest.raises(ConsoleError, match="ended with -95"):
            qemu.console.shell("balloon hint")
