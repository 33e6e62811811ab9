"""What the toy guest's balloon driver can do besides inflating, as guest, host and clauses see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from devices.virtio.balloon.features import ALL_FEATURES
from devices.virtio.queue import Virtqueue
from hv import board
from hv.config import MachineConfig
from hv.machine import Machine
from hv.misbehave import fault
from hv.stop import StopReason
from tests.harness.guest import SECOND, Guest, booted, config, make_disk
from tests.system.hibernation import balloon_of, judge, resumed

RAM_MIB = 64
NOMEM = -12
QUIET_NS = 5 * SECOND // 2
"""Longer than the guest waits before it reports what was freed."""


def every_feature(
    disk: Path | None = None, append: str = "", features: frozenset[str] = ALL_FEATURES, balloon: int = 0
) -> MachineConfig:
    """A watched machine whose balloon offers these features."""
    machine_config = config(RAM_MIB, disk, append, balloon)
    return replace(machine_config, balloon_features=features, monitor=True)


@contextmanager
def guest_with(machine_config: MachineConfig) -> Iterator[Guest]:
    """A guest at its first prompt, which at the end must have kept every clause."""
    with booted(machine_config) as guest:
        yield guest
        breaks_nothing(guest)


def breaks_nothing(guest: Guest) -> None:
    """No clause was broken, no request made no sense, and no free page has changed."""
    monitor = guest.machine.monitor
    assert monitor is not None
    assert [breach.headline() for breach in monitor.verdicts.breaches] == []
    assert not any(vars(balloon_of(guest).anomalies).values())
    assert "memory corruption" not in guest.machine.console.text()


def resident_pages(guest: Guest) -> int:
    """Pages of host memory that guest RAM takes."""
    return guest.machine.memory.resident_bytes() // board.PAGE_SIZE


def be_quiet(guest: Guest) -> None:
    """Let time pass."""
    guest.machine.run(guest.machine.now_ns + QUIET_NS)


def fresh_statistics(guest: Guest) -> dict[str, int]:
    """What the guest answers when the host asks now."""
    balloon = balloon_of(guest)
    before = balloon.stats_received
    balloon.request_stats()
    guest.machine.run(guest.machine.now_ns + SECOND, until=lambda: balloon.stats_received > before)
    assert balloon.stats_received == before + 1
    assert balloon.stats is not None
    return balloon.stats


def test_statistics_are_the_guests_books() -> None:
    """The host is told what the guest's own shell says, and what has happened since it was asked last."""
    with guest_with(every_feature()) as guest:
        quiet = fresh_statistics(guest)
        assert quiet["oom_kill"] == quiet["minor_faults"] == quiet["swap_out"] == 0
        guest.type("hog 100M", status=NOMEM)
        guest.type("touch 1000")
        busy = fresh_statistics(guest)
        mem = guest.type("mem")
        assert busy["total_memory"] == mem.number("totalram_pages") * board.PAGE_SIZE
        assert busy["free_memory"] == mem.number("free_pages") * board.PAGE_SIZE
        assert busy["oom_kill"] == 1
        assert busy["minor_faults"] > 10_000
        assert {name: guest.type("balloon stats").number(name) for name in busy} == busy


def test_hints_last_until_the_host_is_done_or_the_guest_needs_them() -> None:
    """Free blocks are held back; memory pressure takes some of them; DONE brings the rest back."""
    with guest_with(every_feature()) as guest:
        balloon = balloon_of(guest)
        free = guest.type("mem").number("free_pages")
        balloon.start_hinting()
        guest.type("sleep 10")
        hinted = int(balloon.hinted.sum())
        assert guest.type("balloon hint").number("hinted_pages") == hinted > free // 2
        assert guest.type("mem").number("free_pages") == free - hinted
        guest.type("touch 40M")
        left = guest.type("balloon hint").number("hinted_pages")
        assert left < hinted
        assert int(balloon.hinted.sum()) <= left, "what the guest took back it has written"
        statistics = fresh_statistics(guest)
        assert statistics["direct_reclaim"] == hinted - left
        assert statistics["available_memory"] > statistics["free_memory"]
        balloon.finish_hinting()
        guest.type("sleep 10")
        assert guest.type("balloon hint").number("hinted_pages") == 0
        assert guest.type("mem").number("free_pages") == free - 10_240
        guest.type("verify")


@pytest.mark.parametrize("append", ["", "init_on_free=1"])
def test_reports_give_the_host_its_memory_back(append: str) -> None:
    """What was used and freed takes no host memory when the guest has calmed down; it can be used again."""
    with guest_with(every_feature(append=append)) as guest:
        guest.type("touch 30M")
        assert resident_pages(guest) > 7680
        guest.type("release")
        be_quiet(guest)
        report = guest.type("balloon report")
        assert report.number("reported_total") == balloon_of(guest).counters.reported_pages >= 7680
        assert resident_pages(guest) < 1024
        guest.type("touch 50M")
        assert guest.type("verify").number("bad_pages") == 0
        assert guest.type("balloon report").number("reported_pages") < report.number("reported_pages")


@pytest.mark.parametrize("panics", [False, True])
@pytest.mark.parametrize("deflates", [False, True])
def test_out_of_memory(panics: bool, deflates: bool) -> None:
    """With DEFLATE_ON_OOM the guest lives on its balloon; without it a process dies, or the guest does."""
    features = ALL_FEATURES - (set() if deflates else {"deflate-on-oom"})
    append = "sysctl.vm.panic_on_oom=1" if panics else ""
    with guest_with(every_feature(None, append, frozenset(features))) as guest:
        guest.type("touch 1000")
        guest.inflate(8000)
        if panics and not deflates:
            guest.type_last("hog 50M", StopReason.GUEST_FAULT)
            assert "Kernel panic: Out of memory" in guest.machine.console.text()
            return
        guest.type("hog 50M", status=0 if deflates else NOMEM)
        assert ("Killed process" in guest.machine.console.text()) is not deflates
        balloon = guest.type("balloon")
        assert balloon.number("oom_deflated_total") == (8000 - balloon.number("num_pages"))
        assert (balloon_of(guest).actual_pages < 8000) is deflates
        assert guest.type("verify").number("bad_pages") == 0


def test_a_write_to_free_memory_is_found() -> None:
    """With poison the guest notices, at the next allocation, that a free page was written to."""
    with booted(every_feature(append="page_poison=on")) as guest:
        assert balloon_of(guest).poison_val == 0xAAAAAAAA
        guest.type("touch 40M")
        guest.type("release")
        memory = guest.machine.memory
        memory.write(memory.base + memory.size // 2 + 123, b"\x00")
        guest.type("hog 58M")
        frame = (memory.base + memory.size // 2) // board.PAGE_SIZE
        assert f"page frame {frame:x} is free and does not hold aa" in guest.machine.console.text()


@pytest.mark.parametrize("append", ["", "page_poison=on"])
def test_everything_across_a_hibernation(append: str, tmp_path: Path) -> None:
    """Hints are given back and not in the image; on the new machine all is set up again, by the book."""
    disk = make_disk(tmp_path / "swap.img", 80 * board.MIB)
    with guest_with(every_feature(disk, append)) as guest:
        for line in ("mkswap", "swapon", "touch 12M", "hog 20M"):
            guest.type(line)
        guest.inflate(3000)
        balloon_of(guest).start_hinting()
        be_quiet(guest)
        assert guest.type("balloon hint").number("hinted_pages") > 0
        hibernation = guest.command("hibernate")
        assert hibernation.stop.reason is StopReason.POWEROFF
        saved = next(line for line in hibernation.lines if "Image saved" in line)
        assert int(saved.split()[-2]) < 3600, "the touched pages, and hardly more"
    with Machine(every_feature(disk, append, balloon=3000)) as machine:
        guest = resumed(machine)
        guest.wait_for_balloon()
        assert guest.type("verify").number("bad_pages") == 0
        assert fresh_statistics(guest)["total_memory"]
        assert balloon_of(guest).poison_val == (0xAAAAAAAA if append else 0)
        be_quiet(guest)
        free = guest.type("mem").number("free_pages")
        assert guest.type("balloon report").number("reported_pages") > 0.9 * free
        balloon_of(guest).start_hinting()
        guest.type("sleep 10")
        assert guest.type("balloon hint").number("cmd_id") == balloon_of(guest).free_page_hint_cmd_id
        balloon_of(guest).finish_hinting()
        guest.type("hog 30M")
        guest.type("selftest")
        guest.wait_for_balloon()
        assert judge(guest, "awake") == []
        breaks_nothing(guest)


@pytest.mark.parametrize(
    ("policy", "known"),
    [
        ("none", {"must-tell-host", "stats"}),
        ("e0", {"must-tell-host", "stats"}),
        ("e1", {"must-tell-host", "stats"}),
        ("e3", {"must-tell-host", "stats", "deflate-on-oom"}),
        ("e4", ALL_FEATURES),
        ("discard", ALL_FEATURES),
    ],
)
def test_a_driver_knows_what_its_era_knew(policy: str, known: frozenset[str]) -> None:
    """Each policy takes the features that Linux's driver of its time had."""
    with guest_with(every_feature(append=f"balloon.policy={policy} page_poison=on")) as guest:
        features = str(guest.type("balloon").values["features"])
        assert set(features.split(",")) == known


@pytest.mark.parametrize(
    ("append", "offered", "declined"),
    [
        ("", ALL_FEATURES, {"page-poison"}),
        ("page_poison=on", ALL_FEATURES - {"page-poison"}, {"free-page-reporting"}),
    ],
    ids=["no poison to tell of", "poison that cannot be told of"],
)
def test_poison_and_reports_go_together(append: str, offered: frozenset[str], declined: set[str]) -> None:
    """A guest without poison declines the one feature; one with it, that cannot say so, the other."""
    with guest_with(every_feature(None, append, frozenset(offered))) as guest:
        features = str(guest.type("balloon").values["features"])
        assert set(features.split(",")) == offered - declined


def deaf(queue: Virtqueue) -> None:
    """Answer nothing."""


def test_a_report_that_is_never_acknowledged() -> None:
    """Its pages are nobody's until a reset ends it; the guest sleeps late, and loses none."""
    with guest_with(every_feature()) as guest:
        balloon = balloon_of(guest)
        guest.type("touch 30M")
        guest.type("release")
        free = guest.type("mem").number("free_pages")
        answering = balloon.handlers
        balloon.handlers = (deaf,) * len(answering)
        be_quiet(guest)
        missing = free - guest.type("mem").number("free_pages")
        assert 512 <= missing <= free // 2
        guest.type("hibernate", status=-19)
        assert free - guest.type("mem").number("free_pages") < 64
        balloon.handlers = answering
        be_quiet(guest)
        assert guest.type("balloon report").number("reported_pages") >= 7680


@pytest.mark.parametrize("when", [3, *(pytest.param(n, marks=pytest.mark.campaign) for n in (1, 2, 4, 6, 9))])
@pytest.mark.parametrize(
    "trouble",
    [
        "needs-reset",
        "needs-reset-after",
        "used-id-out-of-range",
        "used-index-out-of-range",
        "wrong-used-length",
        "out-of-order",
        "late=7s",
        "silent=7s",
    ],
)
def test_whatever_the_device_does_in_the_midst(trouble: str, when: int) -> None:
    """Statistics, hints, inflation, reports: once the device works again, so do they; no page is lost."""
    with booted(every_feature(append="page_poison=on")) as guest:
        machine, balloon = guest.machine, balloon_of(guest)
        guest.type("touch 10M")
        guest.type("hog 20M")
        machine.misbehave(fault(f"balloon:{trouble}@{when}"))
        balloon.request_stats()
        balloon.start_hinting()
        guest.type("sleep 10")
        machine.set_balloon_target(3000)
        machine.run(machine.now_ns + 20 * SECOND)
        balloon.finish_hinting()
        guest.wait_for_balloon()
        be_quiet(guest)
        assert balloon.poison_val == 0xAAAAAAAA
        fresh_statistics(guest)  # those of the trouble may still be under way
        free = fresh_statistics(guest)["free_memory"]
        assert free == guest.type("mem").number("free_pages") * board.PAGE_SIZE
        assert guest.type("balloon hint").number("hinted_pages") == 0
        assert guest.type("balloon report").number("reported_pages") > 0
        assert guest.type("verify").number("bad_pages") == 0
        assert judge(guest, "settled") == []
        monitor = machine.monitor
        assert monitor is not None
        assert [breach.headline() for breach in monitor.verdicts.breaches] == []
