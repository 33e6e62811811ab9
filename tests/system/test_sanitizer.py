"""The sanitizer and the ledger: each planted bug is found with the function that has it, and no other is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from devices.virtio.balloon.features import ALL_FEATURES
from hv import board, books
from hv.config import MachineConfig
from hv.hibernate import thaw, write_host_image
from hv.ledger import Kind, Ledger
from hv.machine import Machine
from hv.misbehave import fault
from hv.report import describe
from hv.sanitizer import Mode, Offence
from hv.scenario import Carrier, ScenarioError, ToyGuest, World
from hv.scenario.registry import library
from hv.stop import StopReason
from tests.harness.guest import SECOND, Guest, booted, config, make_disk
from tests.harness.plants import PLANTS, Plant, plant_kernel
from tests.system.hibernation import balloon_of

CORRECT = ("e1", "e3", "e4", "discard")
TOUCH = 512
TARGET = 1024


class Found(NamedTuple):
    """One finding, whoever has it: what is wrong, and the guest's functions behind it, innermost first."""

    what: Offence | Kind | str
    functions: tuple[str, ...]
    pages: int


class Witness:
    """A guest with its sanitizer and ledger, and what they and the totals have found in it."""

    def __init__(self, machine: Machine, first: books.Entry | None) -> None:
        self.guest = Guest(machine)
        self.machine = machine
        self.ledger = Ledger(machine)
        self.first = first
        self.totals: list[books.Finding] = []

    def look(self, label: str) -> None:
        """Compare both sides, page by page and in total."""
        self.ledger.entry(label)
        entry = books.take(label, self.machine, self.guest)
        self.first = self.first or entry
        self.totals += [finding for finding in books.balance([self.first, entry]) if finding.label == label]

    def inflate(self, pages: int) -> None:
        """Set a target and let the driver work for it; a driver with a bug may never get there."""
        self.machine.set_balloon_target(pages)
        self.settle()

    def settle(self) -> None:
        """Let the driver work for its target."""
        balloon = self.machine.balloon
        assert balloon is not None
        self.machine.run(
            self.machine.now_ns + SECOND, until=lambda: balloon.actual_pages == balloon.target_pages
        )

    def found(self) -> list[Found]:
        """Everything that was found."""
        sanitizer = self.machine.sanitizer
        assert sanitizer is not None
        offences = [
            Found(finding.offence, tuple(sanitizer.functions(finding)), int(finding.pages.sum()))
            for finding in sanitizer.findings
        ]
        pages = [Found(each.kind, each.functions, int(each.pages.sum())) for each in self.ledger.findings()]
        return [*offences, *pages, *(Found(each.text, (), 0) for each in self.totals)]


def life(machine_config: MachineConfig, policy: str) -> list[Found]:
    """A guest's life: inflate, deflate, inflate, use memory, hibernate, wake up; return what was found."""
    machine_config = replace(machine_config, sanitize=Mode.LOG, append=f"balloon.policy={policy}")
    with Machine(machine_config) as machine:
        witness = Witness(machine, None)
        guest = witness.guest
        guest.boot()
        witness.look("booted")
        for line in ("mkswap", "swapon", f"touch {TOUCH}"):
            guest.type(line)
        witness.inflate(TARGET)
        witness.look("inflated")
        witness.inflate(TARGET // 2)
        witness.look("deflated")
        guest.type(f"touch {2 * TARGET}")
        witness.inflate(TARGET)
        witness.look("inflated again")
        guest.type_last("hibernate", StopReason.POWEROFF)
        witness.ledger.entry("off")
        found = witness.found()
        first = witness.first
    with Machine(replace(machine_config, balloon=TARGET)) as machine:
        witness = Witness(machine, first)
        witness.guest.wait_for_line("PM: resumed from vda")
        witness.guest.boot()
        witness.settle()
        witness.guest.command("verify")
        witness.look("resumed")
        return found + witness.found()


def obligations(machine_config: MachineConfig) -> list[Found]:
    """A guest that tells its host all it can, before and after a sleep; return the clauses it breaks."""
    machine_config = replace(
        machine_config, monitor=True, balloon_features=ALL_FEATURES, append="page_poison=on"
    )
    found: list[Found] = []
    first = ("mkswap", "swapon", f"hog {TOUCH} 10 &", f"touch {TOUCH}", "sleep 2500", "hibernate")
    for lines in (first, ("verify",)):
        with Machine(machine_config) as machine:
            guest = Guest(machine)
            guest.boot()
            for line in lines:
                guest.command(line)
            later = machine.now_ns + 150 * SECOND  # longer than the monitor waits for what a thread owes
            machine.at(later, lambda: None)  # an idle guest stops the run, an agenda does not
            machine.run(later)
            assert machine.monitor is not None
            found += [Found(each.headline(), (), each.count) for each in machine.monitor.verdicts.breaches]
    return found


@pytest.fixture
def swap_config(tmp_path: Path) -> MachineConfig:
    """A small machine with a disk that an image fits on."""
    return config(64, make_disk(tmp_path / "swap.img", 80 * board.MIB))


VERDICTS: dict[str, tuple[Offence | Kind, str] | str] = {
    "read_ballooned": (Offence.LOAD, "cmd_balloon"),
    "write_ballooned": (Offence.STORE, "update_balloon_size"),
    "reuse_before_ack": (Offence.STORE, "leak_balloon"),
    "read_lost": (Offence.LOST, "release_pages_balloon"),
    "read_stale": (Offence.STALE, "discard_restore"),
    "inflate_twice": (Offence.DOUBLE_INFLATE, "fill_balloon"),
    "inflate_outside_ram": (Offence.OUTSIDE_RAM, "fill_balloon"),
    "deflate_stranger": (Offence.STRAY_DEFLATE, "leak_balloon"),
    "leak_on_deflate": (Kind.LEAKED, "release_pages_balloon"),
    "free_ballooned": (Kind.DOUBLE_OWNED, "fill_balloon"),
    "actual_off_by_one": "config `actual` says",
    "num_pages_off_by_one": "pages in its balloon, the host was given",
    "stats_not_reprimed": "C248",
    "poison_not_rewritten": "C279",
    "report_too_long": "C283",
    "save_offline": (Offence.LOAD, "swsusp_save"),
    "page_not_saved": (Kind.LOST, ""),
    "lose_free_page": (Kind.LEAKED, ""),
}
"""For each plant what must be found, and where in the guest; or which clause it breaks.

Two of them nobody was seen to do: the ledger knows who marks pages of the balloon, not who holds others. And
two are wrong numbers, not wrong pages: the totals find them.
"""


SCENARIOS = {
    "stats_not_reprimed": ("statistics", "buffers_unasked_after_resume is 0, not 1"),
    "hint_not_initialised": ("free-page-hinting", "hinted, and free in the guest"),
    "poison_not_rewritten": ("page-poison", "poison_val_after_resume is 0, not"),
    "report_too_long": ("free-page-reporting", "lost: 1 page"),
}
"""For each plant in an optional facility of the balloon the scenario that finds it, and what it says."""


@pytest.mark.parametrize("plant", [plant for plant in PLANTS if str(plant) in VERDICTS], ids=str)
def test_each_planted_bug_is_found(plant: Plant, kernels: Path, swap_config: MachineConfig) -> None:
    """A kernel with one bug is found out, by the right kind of finding and the name of the function."""
    verdict = VERDICTS[str(plant)]
    planted = replace(swap_config, kernel=plant_kernel(plant, kernels))
    by_clause = str(verdict).startswith("C2")
    found = obligations(planted) if by_clause else life(planted, plant.policy or "e4")
    match verdict:
        case str(text):
            assert any(isinstance(each.what, str) and text in each.what for each in found), found
        case (kind, ""):
            assert any(each.what is kind for each in found), found
        case (kind, function):
            assert plant.function == function or plant.function == "saveable_page"
            assert any(each.what is kind and function in each.functions for each in found), found


@pytest.mark.parametrize("policy", CORRECT)
def test_nothing_is_found_in_a_correct_guest(policy: str, swap_config: MachineConfig) -> None:
    """The correct eras live a whole life without a finding."""
    assert life(swap_config, policy) == []


def test_the_seed_is_found_to_leak_all_of_its_balloon(swap_config: MachineConfig) -> None:
    """e0: exactly the balloon's pages are nobody's after the resume, and e0_restore made them so."""
    leaks = [each for each in life(swap_config, "e0") if each.what is Kind.LEAKED]
    assert [each.pages for each in leaks] == [TARGET]
    assert leaks[0].functions[:2] == ("__ClearPageOffline", "e0_restore")


def test_no_handlers_leave_pages_that_no_host_has(swap_config: MachineConfig) -> None:
    """none: the guest that wakes up believes in a balloon that the new host was never given."""
    found = life(swap_config, "none")
    assert Found(Kind.STALE, (), TARGET) in found


@contextmanager
def buggy(plant: str, kernels: Path, mode: Mode | None) -> Iterator[Guest]:
    """A guest with a bug, whose balloon is inflated at its prompt."""
    kernel = plant_kernel(next(each for each in PLANTS if str(each) == plant), kernels)
    with Machine(replace(config(64), kernel=kernel, sanitize=mode)) as machine:
        guest = Guest(machine)
        guest.boot()
        guest.inflate(TARGET)
        yield guest


def test_a_finding_stops_the_run_before_the_access(kernels: Path) -> None:
    """STOP: the guest stands at the load; the report has function, line and trace; it can go on then."""
    with buggy("read_ballooned", kernels, Mode.STOP) as guest:
        machine = guest.machine
        ended = guest.command("balloon").stop
        assert ended.reason is StopReason.FINDING
        report = describe(machine, ended)
        assert "load from a ballooned page" in report
        assert "cmd_balloon+" in report
        assert "guest/shell/cmd_balloon.c:" in report
        assert "shell_main+" in report
        sanitizer = machine.sanitizer
        assert sanitizer is not None
        assert machine.hart.pc == sanitizer.findings[0].frames[0].address
        assert machine.now_ns == sanitizer.findings[0].ns
        guest.boot()
        assert [finding.count for finding in sanitizer.findings] == [2]


def test_a_sanitized_run_is_the_same_run(kernels: Path, swap_config: MachineConfig) -> None:
    """Clock and RAM are the same with and without sanitizer and ledger, findings or not."""

    def run(mode: Mode | None) -> tuple[int, str]:
        with buggy("read_ballooned", kernels, mode) as guest:
            if mode is not None:
                ledger = Ledger(guest.machine)
                ledger.entry("inflated")
            guest.type("balloon")
            guest.inflate(0)
            guest.type(f"touch {3 * TARGET}")
            guest.type("verify")
            return guest.machine.now_ns, guest.machine.ram_sha256()

    def sleep(mode: Mode | None) -> tuple[int, str]:
        make_disk(swap_config.disks[0].path, 80 * board.MIB)
        with Machine(replace(swap_config, sanitize=mode)) as machine:
            guest = Guest(machine)
            guest.boot()
            guest.type("mkswap")
            guest.type("swapon")
            guest.inflate(TARGET)
            guest.type_last("hibernate", StopReason.POWEROFF)
        with Machine(replace(swap_config, sanitize=mode)) as machine:
            guest = Guest(machine)
            guest.wait_for_line("PM: resumed from vda")
            guest.boot()
            return machine.now_ns, machine.ram_sha256()

    assert run(None) == run(Mode.LOG)
    assert sleep(None) == sleep(Mode.LOG) == sleep(Mode.STOP)


def test_the_boot_kernels_balloon_is_in_the_way(swap_config: MachineConfig) -> None:
    """A boot kernel of e0 keeps its pages with the host, and the image is copied over them."""
    asleep = replace(swap_config, append="balloon.policy=e0 resumedelay=1", sanitize=Mode.LOG)
    with Machine(asleep) as machine:
        guest = Guest(machine)
        guest.boot()
        guest.type("mkswap")
        guest.type("swapon")
        guest.type(f"touch {3 * TARGET}")
        guest.type_last("hibernate", StopReason.POWEROFF)
    with Machine(replace(asleep, balloon=TARGET)) as machine:
        guest = Guest(machine)
        guest.wait_for_line("PM: resumed from vda")
        sanitizer = machine.sanitizer
        assert sanitizer is not None
        assert Offence.STORE in {finding.offence for finding in sanitizer.findings}


def test_a_thawed_guest_is_watched_too(tmp_path: Path) -> None:
    """A guest from a host image: what was in its balloon is stale, and a correct guest never reads it."""
    awake = replace(config(64), sanitize=Mode.LOG, append="balloon.policy=discard")
    with Machine(awake) as machine:
        guest = Guest(machine)
        guest.boot()
        guest.type(f"touch {TOUCH}")
        guest.inflate(TARGET)
        guest.type_last("hibernate platform", StopReason.HIBERNATE)
        write_host_image(machine, tmp_path / "guest.s4")
    with thaw(tmp_path / "guest.s4", replace(awake, balloon=TARGET)) as machine:
        guest = Guest(machine)
        ledger = Ledger(machine)
        guest.wait_for_line("PM: resumed from platform")
        guest.boot()
        guest.wait_for_balloon()
        guest.type("verify")
        guest.type(f"touch {2 * TARGET}")
        guest.type("verify")
        ledger.entry("thawed")
        sanitizer = machine.sanitizer
        assert sanitizer is not None
        assert sanitizer.findings == []
        assert ledger.findings() == []


def test_a_device_sent_into_the_balloon_is_found(swap_config: MachineConfig) -> None:
    """A driver whose ring is in a page that the host has is found at its next request."""
    with Machine(replace(swap_config, sanitize=Mode.LOG)) as machine:
        guest = Guest(machine)
        guest.boot()
        sanitizer = machine.sanitizer
        assert sanitizer is not None
        queue = machine.save()["virtio0"]["queues"][0]
        sanitizer.judge_request(np.array([queue["addresses"][0] // board.PAGE_SIZE]), inflate=True)
        guest.type("mkswap")
        told = [finding for finding in sanitizer.findings if finding.offence is Offence.DEVICE]
        assert told
        assert "virtblk_do_req" in sanitizer.functions(told[0])


def test_a_request_that_had_no_answer_may_be_repeated() -> None:
    """A driver whose device broke before it answered asks for the same pages again: no finding."""
    with booted(replace(config(64), sanitize=Mode.LOG)) as guest:
        guest.machine.misbehave(fault("balloon:needs-reset-after@2"))
        guest.inflate(TARGET)
        assert balloon_of(guest).anomalies.double_inflates > 0
        assert getattr(guest.machine.sanitizer, "findings", None) == []


def test_the_ledger_agrees_with_the_guests_own_figures(swap_config: MachineConfig) -> None:
    """What the ledger counts page by page is what `mem` says, and each page is one thing."""
    with Machine(swap_config) as machine:
        guest = Guest(machine)
        ledger = Ledger(machine)
        assert ledger.entry("power-on").guest is None
        guest.boot()
        guest.type(f"touch {TOUCH}")
        guest.inflate(TARGET)
        guest.inflate(TARGET // 2)
        entry = ledger.entry("inflated")
        mem = guest.type("mem")
        pages = entry.guest
        assert pages is not None
        assert int(pages.free.sum()) == mem.number("free_pages")
        assert int(pages.used.sum()) == mem.number("used_pages")
        assert int(pages.offline.sum()) == mem.number("offline_pages") == TARGET // 2
        assert int(pages.touched.sum()) == TOUCH
        assert pages.managed == mem.number("totalram_pages")
        parts = pages.free.astype(int) + pages.used + pages.offline + pages.reserved
        assert (parts == pages.ram).all()
        assert (pages.offline == entry.ballooned).all()
        assert not (entry.ballooned & entry.backed).any()
        assert int(entry.returned.sum()) == TARGET // 2
        assert [request.inflate for request in ledger.log.requests] == [True] * 4 + [False] * 2


def test_a_correct_guest_breaks_no_clause(swap_config: MachineConfig) -> None:
    """Statistics, poison and reports are as the specification has them, on both sides of a sleep."""
    assert obligations(swap_config) == []


def test_every_plant_has_a_verdict() -> None:
    """No bug is planted that nobody looks for."""
    assert VERDICTS.keys() | SCENARIOS.keys() == {str(plant) for plant in PLANTS}


@pytest.mark.parametrize("plant", [plant for plant in PLANTS if str(plant) in SCENARIOS], ids=str)
def test_a_scenario_finds_each_bug_in_a_facility(plant: Plant, kernels: Path) -> None:
    """A kernel with a bug in statistics, hints, poison or reports fails the scenario of that facility."""
    name, text = SCENARIOS[str(plant)]

    class Planted(ToyGuest):
        @staticmethod
        def prepare(config: MachineConfig, era: str) -> MachineConfig:
            return replace(ToyGuest.prepare(config, era), kernel=plant_kernel(plant, kernels))

    with World(carrier=Carrier.HOST, guest=Planted) as world:
        with suppress(ScenarioError):
            library()[name].play(world)
        assert text in "\n".join(finding.text for finding in world.journal.findings)
