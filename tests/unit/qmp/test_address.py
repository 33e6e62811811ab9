"""The value of `-qmp`."""

from pathlib import Path

import pytest

from hv.errors import ConfigError
from hv.qmp.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("unix:/run/q,server=on,wait=off", False),
        ("unix:/run/q,server=on,wait=on", True),
        ("unix:/run/q,wait=off,server=on", False),
        ("unix:/run/q,server=on", True),
    ],
)
def test_forms_that_work(text: str, wait: bool) -> None:
    """A unix socket to listen on; QEMU's default is to wait for a client."""
    assert parse_address(text) == Address(Path("/run/q"), wait)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tcp:localhost:4444,server=on", "only unix sockets"),
        ("/run/q", "only unix sockets"),
        ("unix:,server=on", "no path"),
        ("unix:/run/q", "add server=on"),
        ("unix:/run/q,server=off", "add server=on"),
        ("unix:/run/q,server=on,wait=maybe", "'wait=maybe'"),
        ("unix:/run/q,server=on,nowait", "'nowait'"),
        (f"unix:/{'x' * 107},server=on", "at most 107 bytes"),
    ],
)
def test_other_forms_say_what_is_wrong(text: str, says: str) -> None:
    """Anything else is one line with what it stumbled over."""
    with pytest.raises(ConfigError, match=says):
        parse_address(text)
