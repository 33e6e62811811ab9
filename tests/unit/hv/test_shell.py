"""The shell, driven from the host: what an answer is made of, and what happens when none comes."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv.shell import Reply, Workload, parse_values
from hv.stop import Stop, StopReason
from tests.harness.guest import Guest, booted, config

STOP = Stop(StopReason.CONDITION, 0)
KEYS = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
COUNTS = st.integers(-(10**15) + 1, 10**15 - 1)
WORDS = st.from_regex(r"[0-9a-f]{16}|[a-z]{2,5}|-|[0-9]+\.[0-9]+", fullmatch=True)


@given(st.dictionaries(KEYS, COUNTS | WORDS, max_size=6))
def test_values(values: dict[str, int | str]) -> None:
    """`key value` lines become a dictionary, counts as int, all else as text; other lines are passed over."""
    lines = [f"{key} {value}" for key, value in values.items()]
    noise = ["", "[    0.001000] PM: a kernel message", "one", "three words here", "1key 5"]
    assert parse_values((*noise, *lines)) == values


def test_numbers_must_be_there() -> None:
    """A figure that is missing, or no number, is an error that shows what was printed."""
    reply = Reply("mem", 0, ("free 5", "policy e4"), STOP, {"free": 5, "policy": "e4"})
    assert reply.number("free") == 5
    for key in ("used", "policy"):
        with pytest.raises(KeyError, match=f"`mem` printed no number called {key}: .*policy e4"):
            reply.number(key)


def test_errors_have_names() -> None:
    """A status is told as the errno's name and text; success has none, an unknown one is still told."""
    assert Reply("x", -28, (), STOP).error == "ENOSPC (No space left on device)"
    assert Reply("x", 0, (), STOP).error == ""
    assert "9999" in Reply("x", -9999, (), STOP).error


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """A guest at its prompt."""
    with booted(config(32)) as guest:
        yield guest


def test_an_answer(guest: Guest) -> None:
    """A command's answer is its lines, without the echo and the prompt, its values and its status."""
    reply = guest.command("touch 7")
    assert (reply.command, reply.status, reply.error) == ("touch 7", 0, "")
    assert reply.lines == tuple(f"{key} {value}" for key, value in reply.values.items())
    assert Workload.of(reply) == (7, reply.values["fingerprint"], 0)
    assert Workload.of(guest.command("verify")) == Workload.of(reply)
    assert guest.command("release").status == 0
    assert guest.command("").lines == ()


def test_a_command_that_fails(guest: Guest) -> None:
    """A failing command's status is its negative errno, and the next command has one of its own."""
    reply = guest.command("walk")
    assert (reply.status, reply.lines) == (-2, ("walk: unknown command, try help",))
    assert guest.command("mem").status == 0


def test_no_answer_in_time(guest: Guest) -> None:
    """A command that takes longer than allowed ends with the budget, and is not waited for again."""
    start = guest.machine.now_ns
    reply = guest.command("sleep 50", within_ns=20_000_000)
    assert reply.stop == Stop(StopReason.BUDGET, start + 20_000_000)
    assert guest.wait_for_prompt().reason is StopReason.CONDITION
    assert guest.machine.now_ns >= start + 50_000_000


def test_the_last_answer() -> None:
    """A command that ends the machine is answered by how it ended."""
    with booted(config(32)) as guest:
        reply = guest.command("poweroff")
        assert reply.stop.reason is StopReason.POWEROFF
        assert "reboot: Power down" in reply.lines[-1]
        assert guest.command("mem").stop.reason is StopReason.POWEROFF
