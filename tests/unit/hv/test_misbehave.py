"""Faults as people write them."""

import re

import pytest

from hv.errors import ConfigError
from hv.misbehave import KINDS, Fault, fault

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("balloon:silent", Fault("balloon", KINDS["silent"])),
        ("disk:late=7s@3", Fault("disk", KINDS["late"], value=7000 * MS, request=3)),
        ("disk1:wrong-used-length=0+", Fault("disk1", KINDS["wrong-used-length"], value=0, always=True)),
        (
            "balloon:used-id-out-of-range@20ms",
            Fault("balloon", KINDS["used-id-out-of-range"], 0xFFFF, ns=20 * MS),
        ),
        ("balloon:features-withdrawn=0x20", Fault("balloon", KINDS["features-withdrawn"], 32)),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, meant: Fault) -> None:
    """Device, fault, value and moment, with the fault's default where no value is given."""
    assert fault(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("balloon", "write DEVICE:FAULT"),
        ("balloon:loud", "no fault 'loud'; there are silent, late"),
        ("balloon:late", "late needs a value: late=TIME"),
        ("balloon:late=7", "'7' is no time"),
        ("balloon:silent@0", "counted from 1"),
        ("balloon:silent@3x", "'3x' is no time"),
        ("balloon:out-of-order=3", "leave it away"),
        ("balloon:wrong-used-length=4294967296", "no number of 32 bits"),
        ("balloon:needs-reset+", "comes once"),
    ],
)
def test_what_cannot_be_is_refused(text: str, why: str) -> None:
    """One line that repeats the text and says what would do."""
    with pytest.raises(ConfigError, match=f"^--misbehave {re.escape(text)}: .*{re.escape(why)}"):
        fault(text)
