"""What the machine counts on whatever the device: no access raises, and state comes back whole."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.state import State, StateError
from tests.contract.subjects import SUBJECTS, Bench, Subject

every_device = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)

SIZES = (1, 2, 4, 8)
LOAD, STORE, HOST = range(3)

Step = tuple[int, int, int, int]
"""(LOAD, offset, size, -), (STORE, offset, size, value) or (HOST, choice, -, -)."""


def draw_steps(data: st.DataObject, subject: Subject) -> list[Step]:
    """Draw what guest and host do: mostly at real registers with their natural width, sometimes anywhere."""
    size = subject.build().device.size
    offsets = st.one_of(st.sampled_from(subject.offsets), st.integers(0, size - 1))
    sizes = st.one_of(st.just(4), st.sampled_from(SIZES))
    values = st.one_of(st.integers(0, 255), st.integers(0, (1 << 64) - 1))
    accesses = st.tuples(st.sampled_from((LOAD, STORE, STORE)), offsets, sizes, values)
    hosts = st.tuples(st.just(HOST), st.integers(0, 255), st.just(0), st.just(0))
    return data.draw(st.lists(st.one_of(accesses, hosts), max_size=40))


def drive(bench: Bench, steps: list[Step]) -> list[int]:
    """Do the steps; return what the loads answered."""
    answers = []
    for kind, where, size, value in steps:
        if kind == LOAD:
            answers.append(bench.device.read(where, size))
        elif kind == STORE:
            bench.device.write(where, size, value)
        else:
            bench.host(where)
    return answers


def levels(bench: Bench) -> list[bool]:
    """Return what the device drives."""
    return [wire.level for wire in bench.wires]


def paths(state: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every field of a state, and of every item of its lists."""
    children: Any = ()
    if isinstance(state, dict):
        children = state.items()
    elif isinstance(state, list):
        children = enumerate(state)
    for key, value in children:
        yield (*path, key)
        yield from paths(value, (*path, key))


def wrong(value: object) -> tuple[object, ...]:
    """Return values that can never stand where `value` does: other types, and numbers that no field has."""
    numbers = (
        (-2, 1 << 200, True, "1", None) if isinstance(value, int) and not isinstance(value, bool) else (1,)
    )
    return (*numbers, 0.5, {"a": 1})


def plain(value: object) -> bool:
    """Whether any format could carry the value."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return isinstance(value, int | bool | str | bytes)


@every_device
@given(data=st.data())
def test_no_access_raises_and_every_answer_fits(subject: Subject, data: st.DataObject) -> None:
    """Loads and stores at any offset, of any width and value, are answered within the width asked for."""
    bench = subject.build()
    steps = draw_steps(data, subject)
    answers = drive(bench, steps)
    widths = [size for kind, _, size, _ in steps if kind == LOAD]
    assert all(0 <= answer < 1 << 8 * width for answer, width in zip(answers, widths, strict=True))


@every_device
@given(data=st.data())
def test_state_goes_into_a_fresh_device_and_out_again(subject: Subject, data: st.DataObject) -> None:
    """A fresh device that takes over a saved state drives the same wires and saves the same state."""
    bench, fresh = subject.build(), subject.build()
    drive(bench, draw_steps(data, subject))
    state = bench.device.save()
    assert plain(state)
    fresh.device.restore(copy.deepcopy(state))
    assert fresh.device.save() == state == bench.device.save()
    assert levels(fresh) == levels(bench)


@every_device
@given(data=st.data())
def test_saved_state_is_a_copy(subject: Subject, data: st.DataObject) -> None:
    """What the guest does after a save changes neither the saved state nor a device restored from it."""
    bench, other = subject.build(), subject.build()
    drive(bench, draw_steps(data, subject))
    state = bench.device.save()
    kept = copy.deepcopy(state)
    other.device.restore(state)
    drive(bench, draw_steps(data, subject))
    assert state == kept
    assert other.device.save() == kept


@every_device
@given(data=st.data())
def test_the_state_of_a_fresh_device_is_reset(subject: Subject, data: st.DataObject) -> None:
    """Whatever happened, the state of a fresh device brings a device back to it, with its wires low."""
    bench, fresh = subject.build(), subject.build()
    reset = fresh.device.save()
    drive(bench, draw_steps(data, subject))
    bench.device.restore(reset)
    assert bench.device.save() == reset
    assert not any(levels(bench))
    assert not any(levels(fresh))


def spoil(data: st.DataObject, state: State) -> tuple[str, State]:
    """Draw one field and make it wrong, missing or superfluous; return its name and the spoilt copy."""
    *parents, last = data.draw(st.sampled_from([("surprise",), *paths(state)]))
    spoilt = copy.deepcopy(state)
    owner: Any = spoilt
    for key in parents:
        owner = owner[key]
    if isinstance(last, str) and last in owner and data.draw(st.booleans()):
        del owner[last]
    elif last == "surprise":
        owner[last] = 0
    else:
        owner[last] = data.draw(st.sampled_from(wrong(owner[last])))
    return next(key for key in (last, *reversed(parents)) if isinstance(key, str)), spoilt


@every_device
@given(data=st.data())
def test_a_state_with_a_wrong_field_is_refused_by_name(subject: Subject, data: st.DataObject) -> None:
    """A wrong, missing or unknown field is a StateError of one line with its name, and nothing changes."""
    bench = subject.build()
    drive(bench, draw_steps(data, subject))
    before = bench.device.save()
    name, spoilt = spoil(data, before)
    with pytest.raises(StateError) as error:
        bench.device.restore(spoilt)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert bench.device.save() == before


@every_device
@pytest.mark.parametrize("state", [None, [], "state", 1])
def test_a_state_that_is_no_mapping_is_refused(subject: Subject, state: object) -> None:
    """A state of another shape is a StateError."""
    with pytest.raises(StateError, match="expected a mapping"):
        subject.build().device.restore(state)  # type: ignore[arg-type]
