"""The books: every difference between the two sides is found, and nothing is found where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.memory import PAGE_SIZE
from hv.books import SLACK_PAGES, Entry, GuestBooks, HostBooks, balance, take
from tests.harness.guest import booted, config

TOTAL = 10_000


def entry(label: str, balloon: int = 0, touched: int = 0, kernel: int = 50) -> Entry:
    """Both sides' books of an honest story, at a moment."""
    totalram = TOTAL - balloon
    guest = GuestBooks(totalram, totalram - touched - kernel, touched, balloon, balloon, balloon, balloon)
    return Entry(label, 0, guest, HostBooks(balloon, balloon, balloon, 0, TOTAL // 2, 0))


def off(old: Entry, **changes: int) -> Entry:
    """Change an entry's figures, named `side_figure`, by so many pages."""
    for name, delta in changes.items():
        side, _, figure = name.partition("_")
        figures = getattr(old, side)
        old = old._replace(**{side: figures._replace(**{figure: getattr(figures, figure) + delta})})
    return old


STORY = [entry("booted"), entry("touched", touched=400), entry("inflated", balloon=3000, touched=400)]


@given(
    st.lists(
        st.builds(entry, st.just("x"), st.integers(0, 5000), st.integers(0, 4000), st.just(50)), max_size=6
    )
)
def test_a_good_story_balances(story: list[Entry]) -> None:
    """Whatever goes into the balloon and out of it, honest books balance."""
    assert list(balance(story)) == []


PLANTED: list[tuple[dict[str, int], list[str]]] = [
    (
        {"guest_num_pages": -1},
        ["the guest counts 2999 pages in its balloon, the host was given 3000"],
    ),
    (
        {"guest_offline": -1, "guest_totalram": 1, "guest_free": 1},
        ["the guest counts 2999 offline pages, the host was given 3000"],
    ),
    (
        {"guest_actual": 2},
        ["the guest last reported 3002 pages, config `actual` says 3000"],
    ),
    (
        {"host_actual": 1, "guest_actual": 1},
        ["config `actual` says 3001, the host was given 3000 pages"],
    ),
    (
        {"guest_target": 5},
        ["the guest reads a target of 3005, the host set 3000"],
    ),
    (
        {"guest_target": 5, "host_target": 5},
        ["the balloon holds 3000 pages, the target is 3005"],
    ),
    (
        {"host_backed": 7},
        ["7 ballooned pages still take host memory, 0 should"],
    ),
    (
        {"guest_totalram": -1, "guest_free": -1},
        ["managed and offline pages are 9999, at first they were 10000"],
    ),
    (
        {"guest_free": -SLACK_PAGES - 1},
        [f"{SLACK_PAGES + 1} pages are in use and nobody's: leaked"],
    ),
]


@pytest.mark.parametrize(("changes", "findings"), PLANTED, ids=[" ".join(c) for c, _ in PLANTED])
def test_each_difference_is_found(changes: dict[str, int], findings: list[str]) -> None:
    """One difference is one finding, in the entry that it is in, with the figures of both sides."""
    story = [*STORY, off(entry("resumed", balloon=3000, touched=400), **changes)]
    assert [(f.label, f.text) for f in balance(story)] == [("resumed", text) for text in findings]


def test_every_figure_is_judged() -> None:
    """There is no figure but the host's memory that may change on its own without a finding."""
    for side, figures in (("guest", GuestBooks._fields), ("host", HostBooks._fields)):
        for figure in figures:
            story = [*STORY, off(entry("resumed", balloon=3000, touched=400), **{f"{side}_{figure}": 99})]
            assert bool(list(balance(story))) == (figure != "resident"), figure


@pytest.mark.parametrize("delta", [-SLACK_PAGES, SLACK_PAGES])
def test_the_kernel_may_breathe(delta: int) -> None:
    """A few pages of the kernel's own come and go; one too many is a leak, or memory from nowhere."""
    assert list(balance([*STORY, off(STORY[-1], guest_free=delta)])) == []
    (finding,) = balance([*STORY, off(STORY[-1], guest_free=delta + (1 if delta > 0 else -1))])
    assert "nobody's" in finding.text


def test_hinted_pages_are_no_leak() -> None:
    """What the guest keeps apart because the host asked for hints is in use, and the host knows of it."""
    held = off(STORY[-1], guest_free=-1024)
    assert len(list(balance([STORY[0], held]))) == 1
    assert list(balance([STORY[0], off(held, host_hinted=1024), STORY[-1]])) == []


def test_a_leak_that_is_expected() -> None:
    """A leak that an era is known for is no finding, and its absence is one."""
    first, last = STORY[0], STORY[-1]
    assert list(balance([first, off(last, guest_free=-3000)], leak=3000)) == []
    findings = [finding.text for finding in balance([first, last], leak=3000)]
    assert findings == ["-3000 pages are in use and nobody's: leaked"]


def test_the_books_of_a_live_guest() -> None:
    """Figures taken from a real guest and its machine balance, until the host holds what it should not."""
    with booted(config(64)) as guest:
        first = take("booted", guest.machine, guest)
        guest.inflate(2000)
        second = take("inflated", guest.machine, guest)
        assert second.guest.num_pages == second.guest.offline == second.host.ballooned == 2000
        assert list(balance([first, second])) == []
        balloon = guest.machine.balloon
        assert balloon is not None
        page = int(balloon.ballooned.nonzero()[0][-1])
        guest.machine.memory.ram[page * PAGE_SIZE] = 1
        findings = [finding.text for finding in balance([first, take("written", guest.machine, guest)])]
        assert findings == ["1 ballooned pages still take host memory, 0 should"]


def test_a_guest_that_does_not_answer() -> None:
    """A guest whose answer lacks a figure is an error that says which."""
    with booted(config(32)) as guest:
        guest.type_last("poweroff", guest.command("poweroff").stop.reason)
        with pytest.raises(KeyError, match="`mem` printed no number called totalram_pages"):
            take("dead", guest.machine, guest)
