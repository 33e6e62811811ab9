"""Free page hinting: whose word counts in which state of a round, and which pages stay hinted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.balloon import Balloon, BalloonAnomalies, HintState
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

FREE_PAGE = 3
F_HINT = 1 << 3
CMD_ID = 8
PAGE = 4096
SPARE = 512
"""The first page that the driver's own structures do not use."""

STOP, DONE = 0, 1


def started(balloon: Balloon) -> Driver:
    """Return a driver that has negotiated to give hints."""
    driver = Driver(Slot(balloon))
    driver.take(PAGE)
    driver.start(F_HINT)
    return driver


def say(driver: Driver, number: int) -> None:
    """Send a command."""
    driver.memory.write(RAM_BASE, number.to_bytes(4, "little"))
    driver.submit(FREE_PAGE, [Buffer(RAM_BASE, 4)])


def hint(driver: Driver, page: int, pages: int = 1) -> None:
    """Send pages of RAM, by number."""
    driver.submit(FREE_PAGE, [Buffer(RAM_BASE + page * PAGE, pages * PAGE, writable=True)])


def hinted(balloon: Balloon) -> list[int]:
    """Return the pages that count as hinted."""
    return [int(page) for page in np.flatnonzero(balloon.hinted)]


def test_a_round() -> None:
    """The ID goes out and comes back, pages count until the driver stops, and DONE gives them back."""
    balloon = Balloon()
    driver = started(balloon)
    assert driver.config(CMD_ID) == STOP
    assert balloon.start_hinting()
    assert driver.interrupts()
    assert driver.config(CMD_ID) == balloon.free_page_hint_cmd_id == 2
    say(driver, 2)
    assert balloon.hint_state is HintState.RUNNING
    driver.memory.write(RAM_BASE + 600 * PAGE, b"stale")
    hint(driver, SPARE, 3)
    hint(driver, SPARE + 7)
    say(driver, STOP)
    assert balloon.hint_state is HintState.COMPLETE
    assert hinted(balloon) == [SPARE, SPARE + 1, SPARE + 2, SPARE + 7]
    assert driver.config(CMD_ID) == 2
    assert balloon.finish_hinting()
    assert driver.config(CMD_ID) == DONE
    assert driver.interrupts()
    assert hinted(balloon) == []
    balloon.start_hinting()
    assert driver.config(CMD_ID) == 3
    assert (balloon.counters.hint_rounds, balloon.counters.hinted_pages) == (1, 4)
    assert balloon.anomalies == BalloonAnomalies()


def test_hinted_contents_are_left_alone() -> None:
    """The device changes no hinted page, and says of none that it did."""
    balloon = Balloon()
    driver = started(balloon)
    driver.memory.write(RAM_BASE + SPARE * PAGE, b"\x5a" * 2 * PAGE)
    balloon.start_hinting()
    say(driver, 2)
    driver.slot.written.clear()
    hint(driver, SPARE, 2)
    assert driver.memory.read(RAM_BASE + SPARE * PAGE, 2 * PAGE) == b"\x5a" * 2 * PAGE
    assert all(addr < RAM_BASE + SPARE * PAGE for addr, _ in driver.slot.written)


@pytest.mark.parametrize("early", [True, False])
def test_a_page_that_is_written_to_is_no_longer_hinted(early: bool) -> None:
    """A write after the command ID was set overrides the hint, also one before the hint was looked at."""
    balloon = Balloon()
    driver = started(balloon)
    driver.memory.write(RAM_BASE + (SPARE + 1) * PAGE, b"before the round")
    balloon.start_hinting()
    say(driver, 2)
    if early:
        driver.memory.write(RAM_BASE + SPARE * PAGE, b"in use")
    hint(driver, SPARE, 3)
    if not early:
        driver.memory.write(RAM_BASE + SPARE * PAGE, b"in use")
    driver.memory.discard(RAM_BASE + (SPARE + 2) * PAGE, PAGE)
    assert hinted(balloon) == [SPARE + 1]


def test_pages_of_another_round_are_ignored() -> None:
    """Pages that come under an ID that is no longer the host's do not count; under the new one they do."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.start_hinting()
    balloon.start_hinting()
    hint(driver, SPARE)
    say(driver, 2)
    hint(driver, SPARE + 1)
    say(driver, STOP)
    assert balloon.hint_state is HintState.REQUESTED
    say(driver, 3)
    hint(driver, SPARE + 2)
    say(driver, 2)
    hint(driver, SPARE + 3)
    assert hinted(balloon) == [SPARE + 2]


def test_stop_keeps_what_was_hinted_and_the_next_round_adds_to_it() -> None:
    """After STOP no page counts any more, those before stay until DONE or a write."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.start_hinting()
    say(driver, 2)
    hint(driver, SPARE, 2)
    assert balloon.stop_hinting()
    assert driver.config(CMD_ID) == STOP
    hint(driver, SPARE + 5)
    driver.memory.write(RAM_BASE + SPARE * PAGE, b"in use")
    balloon.start_hinting()
    say(driver, 3)
    hint(driver, SPARE + 8)
    assert hinted(balloon) == [SPARE + 1, SPARE + 8]


def test_a_reset_ends_the_round() -> None:
    """Its pages are the driver's again, the ID reads STOP, and nobody without the feature is asked."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.start_hinting()
    say(driver, 2)
    hint(driver, SPARE)
    driver.reset()
    assert hinted(balloon) == []
    assert driver.config(CMD_ID) == STOP
    driver.start()
    assert not balloon.start_hinting()
    assert driver.config(CMD_ID) == STOP


def test_odd_commands_and_parts_of_pages_are_counted() -> None:
    """A command that is not four bytes says nothing, a repeated one nothing new, and half a page is none."""
    balloon = Balloon()
    driver = started(balloon)
    balloon.start_hinting()
    for length in (1, 3, 5, 8):
        driver.memory.write(RAM_BASE, b"\x02" + bytes(7))
        driver.submit(FREE_PAGE, [Buffer(RAM_BASE, length)])
    assert balloon.hint_state is HintState.REQUESTED
    say(driver, 2)
    say(driver, 2)
    driver.submit(FREE_PAGE, [Buffer(RAM_BASE + SPARE * PAGE + 8, 2 * PAGE, writable=True)])
    assert hinted(balloon) == [SPARE + 1]
    assert balloon.anomalies == BalloonAnomalies(odd_hint_commands=4, repeated_hint_commands=1, odd_pages=1)


ACTIONS = st.one_of(
    st.sampled_from(("start", "stop", "finish", "reset", "move")).map(lambda name: (name, 0)),
    st.tuples(st.just("say"), st.integers(0, 6)),
    st.tuples(st.just("hint"), st.integers(SPARE, SPARE + 3)),
    st.tuples(st.just("write"), st.integers(SPARE, SPARE + 3)),
)


@given(st.lists(ACTIONS, max_size=40))
def test_no_page_counts_that_the_driver_may_count_on(actions: list[tuple[str, int]]) -> None:
    """Whatever both sides do, a page counts only if it was hinted under the current ID, since the last DONE
    or reset, and not written to since that ID was set; and no ID comes twice.
    """
    balloon = Balloon()
    driver = started(balloon)
    open_pages: set[int] = set()
    written: set[int] = set()
    ids: list[int] = []
    accepting = False
    for name, number in actions:
        live = driver.config(CMD_ID) >= 2
        if name == "start":
            balloon.start_hinting()
            ids.append(driver.config(CMD_ID))
            written, accepting = set(), False
        elif name == "stop":
            balloon.stop_hinting()
            accepting = False
        elif name == "finish":
            balloon.finish_hinting()
            open_pages, accepting = set(), False
        elif name == "reset":
            driver.start(F_HINT)
            open_pages, accepting = set(), False
        elif name == "say":
            say(driver, number)
            complete = balloon.hint_state is HintState.COMPLETE
            accepting = live and number == ids[-1] and not complete if live else False
        elif name == "hint":
            hint(driver, number)
            if accepting and number not in written:
                open_pages.add(number)
        elif name == "write":
            driver.memory.write(RAM_BASE + number * PAGE, b"x")
            open_pages.discard(number)
            written.add(number)
        else:
            state = driver.slot.mmio.save()
            driver.slot.mmio.restore(state)
            assert driver.slot.mmio.save() == state
        assert set(hinted(balloon)) == open_pages
    assert len(set(ids)) == len(ids)
