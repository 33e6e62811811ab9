"""The story's narrator: what it makes of what the stages tell it, and of stages that break."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from hv.config import Disk, MachineConfig
from hv.demo import stages, story
from hv.demo.plan import Ending, Failure, Message, Moment, Plan
from hv.hibernate import Carrier
from hv.shell import Workload
from tests.harness.guest import make_disk
from tests.unit.hv.test_books import STORY, off

INTACT = Workload(400, "0123456789abcdef", 0)
SLEPT = Ending(1, 5_000_000, "ab" * 32, INTACT, 100)
WOKE = Ending(2, 7_000_000, "cd" * 32, INTACT, 101)


def ledger(*messages: Message) -> story.Ledger:
    """File what stages told."""
    filed = story.Ledger()
    for message in messages:
        filed.take(message)
    return filed


def told(filed: story.Ledger) -> tuple[bool, str]:
    """Return whether a ledger balances, and what a terminal shows of it."""
    out = Console(width=200, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    with out.file:
        story.show_books(filed, out)
        balanced = story.show_verdict(filed, out)
    return balanced, out.export_text()


def test_a_good_story() -> None:
    """Intact memory and honest books: both machines' ends, all figures, and the good news with its size."""
    balanced, text = told(ledger(Moment(1, 0, "host", "it begins"), *STORY, SLEPT, WOKE))
    assert balanced
    assert "machine 2 ended at 7.000000 ms of virtual time, RAM sha256 cdcdcdcdcdcdcdcd" in text
    assert "The books balance: 400 touched pages (1 MiB) came back intact" in text
    balloon = next(line for line in text.splitlines() if line.startswith("in the balloon"))
    assert balloon.split()[3:] == ["0", "0", "0", "0", "3000", "3000"]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        (
            [*STORY, SLEPT, WOKE._replace(workload=INTACT._replace(bad=3))],
            "finding (resumed): 3 of 400 touched pages are wrong",
        ),
        (
            [*STORY, SLEPT, WOKE._replace(workload=INTACT._replace(fingerprint="f" * 16))],
            "finding (resumed): touched memory was",
        ),
        (
            [*STORY, SLEPT, WOKE._replace(workload=INTACT._replace(pages=0))],
            "finding (resumed): touched memory",
        ),
        (
            [*STORY, off(STORY[-1], host_ballooned=-1), SLEPT, WOKE],
            "finding (inflated): the guest counts 3000 pages in its balloon, the host was given 2999",
        ),
        ([STORY[0], Failure("the guest died")], "finding (story): the guest died"),
        ([Failure("[not markup] at all")], "finding (story): [not markup] at all"),
    ],
)
def test_a_story_with_a_flaw(messages: list[Message], says: str) -> None:
    """Memory that changed, books that differ, a story that broke off: all are told, word for word."""
    balanced, text = told(ledger(*messages))
    assert not balanced
    assert says in text
    assert "The books balance" not in text


def plan(folder: Path, **config: object) -> Plan:
    """Make a small plan."""
    disk = make_disk(folder / "swap.img", 80 << 20)
    machine = replace(MachineConfig(ram=64 << 20, disks=(Disk(disk),)), **config)  # type: ignore[arg-type]
    return Plan(machine, Carrier.SWAP, touch=100, target=200, image=folder / "image")


def dies(_plan: Plan, _tell: Callable[[Message], None]) -> None:
    """Be a stage whose process is gone without a word."""
    os._exit(3)


def test_a_process_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's process that ends without a word is a failure with its status, and ends the story."""
    monkeypatch.setattr(stages, "before", dies)
    moments: list[Moment] = []
    filed = story.tell(plan(tmp_path), moments.append)
    assert filed.failure == "the process of stage `dies` ended with status 3"
    assert (moments, filed.endings) == ([], [])


def before(config: MachineConfig, folder: Path) -> tuple[list[Message], str]:
    """Run the first stage in this process; return what it told, and why it broke off."""
    messages: list[Message] = []
    try:
        stages.before(replace(plan(folder), config=config), messages.append)
    except stages.StageError as error:
        return messages, str(error)
    return messages, ""


def test_a_command_that_fails_breaks_the_story(tmp_path: Path) -> None:
    """A stage that cannot go on says what the guest answered."""
    messages, why = before(MachineConfig(ram=64 << 20), tmp_path)  # no disk to swap on
    assert why.startswith("the guest's `mkswap` failed: ENODEV (No such device)")
    assert [type(message) for message in messages] == [Moment, Moment]


def test_a_guest_that_never_comes_up(tmp_path: Path) -> None:
    """A guest that waits for ever before its prompt is told as the machine's stop."""
    kernel = tmp_path / "kernel"
    kernel.write_bytes(_endless_wait())
    _, why = before(MachineConfig(ram=64 << 20, kernel=kernel), tmp_path)
    assert why.startswith("IDLE at ")


def _endless_wait() -> bytes:
    from hv import board
    from tests.harness.elf import Load, make_elf

    wfi_loop = bytes.fromhex("73005010 6ff0dfff")
    return make_elf(Load(wfi_loop, board.KERNEL_BASE), entry=board.KERNEL_BASE)


def test_the_timeline_takes_the_kernels_words_in_order(tmp_path: Path) -> None:
    """The guest's messages stand between the host's, each machine's in the order of virtual time."""
    moments: list[Moment] = []
    filed = story.tell(plan(tmp_path), moments.append)
    assert list(filed.findings()) == []
    for machine in (1, 2):
        times = [moment.ns for moment in moments if moment.machine == machine]
        assert times == sorted(times)
    texts = [(moment.machine, moment.side, moment.text) for moment in moments]
    asked = texts.index((1, "host", "asked the guest to hibernate"))
    slept = texts.index((1, "host", "the guest wrote its image to swap and switched off"))
    woke = texts.index((2, "guest", "PM: resumed from vda"))
    assert asked < texts.index((1, "guest", "PM: hibernation: hibernation entry (swap)")) < slept < woke
