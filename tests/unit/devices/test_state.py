"""Saved state is read field by field, and each refusal names its field."""

import pytest

from devices.state import Fields, StateError

STATE = {"number": 5, "flag": True, "data": b"abc", "text": "abc", "list": [1, 2], "nested": {}}
NAMES = tuple(STATE)


def test_good_fields_come_out_as_they_are() -> None:
    """Each accessor returns the value it checked."""
    fields = Fields(STATE, "device", NAMES)
    assert fields.integer("number", 5, 5) == 5
    assert fields.boolean("flag") is True
    assert fields.data("data", 3, 3) == b"abc"
    assert fields.text("text", 3) == "abc"
    assert fields.items("list", 0, 2) == [1, 2]
    assert fields.integers("list", 2, 1, 2) == [1, 2]
    assert fields.value("nested") == {}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([], r"^device: expected a mapping, found list$"),
        ({}, r"^device\.number: missing$"),
        (STATE | {"more": 1}, r"^device\.more: unknown field$"),
    ],
)
def test_a_state_has_exactly_its_fields(state: object, message: str) -> None:
    """Another type, a missing field and an unknown one are refused."""
    with pytest.raises(StateError, match=message):
        Fields(state, "device", NAMES)


def test_each_refusal_names_field_and_reason() -> None:
    """Wrong types, bools for numbers, and values out of bounds say what was expected."""
    fields = Fields(STATE, "device", NAMES)
    for check, message in (
        (lambda: fields.integer("number", 6, 9), r"device\.number: 5 is outside 6\.\.9"),
        (lambda: fields.integer("flag", 0, 9), r"device\.flag: expected a whole number, found True"),
        (lambda: fields.boolean("number"), r"device\.number: expected true or false, found 5"),
        (lambda: fields.data("text", 0, 9), r"device\.text: expected bytes, found str"),
        (lambda: fields.data("data", 4, 4), r"device\.data: 3 bytes, expected 4$"),
        (lambda: fields.data("data", 4, 9), r"device\.data: 3 bytes, expected 4\.\.9$"),
        (lambda: fields.text("data", 9), r"device\.data: expected a string, found bytes"),
        (lambda: fields.text("text", 2), r"device\.text: 3 characters, expected at most 2"),
        (lambda: fields.items("text", 0, 9), r"device\.text: expected a list, found str"),
        (lambda: fields.items("list", 3, 3), r"device\.list: 2 items, expected 3$"),
        (lambda: fields.integers("list", 2, 2, 9), r"device\.list\[0\]: 1 is outside 2\.\.9"),
    ):
        with pytest.raises(StateError, match=message):
            check()
