"""Where a QMP server listens: the value of `-qmp`, in QEMU's form."""

from pathlib import Path
from typing import NamedTuple

from hv.errors import ConfigError

FORM = "unix:PATH,server=on,wait=off"

PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7), `sun_path`), less its NUL."""

_SWITCH = {"on": True, "off": False}


class Address(NamedTuple):
    """A unix socket to listen on.

    Attributes:
        path: its place.
        wait: whether the guest waits until there is a client.
    """

    path: Path
    wait: bool


def parse_address(text: str) -> Address:
    """Read `unix:PATH,server=on[,wait=on|off]`; as in QEMU, the guest waits unless it is told not to.

    Raises:
        ConfigError: it is something else; names what, and the fix.
    """
    kind, colon, rest = text.partition(":")
    if kind != "unix" or not colon:
        raise ConfigError(f"-qmp {text}: only unix sockets are there; give {FORM}")
    path, *options = rest.split(",")
    if not path:
        raise ConfigError(f"-qmp {text}: no path; give {FORM}")
    if len(path.encode("utf-8", "surrogateescape")) > PATH_MAX:
        raise ConfigError(f"-qmp {text}: a socket's path has at most {PATH_MAX} bytes; choose a shorter one")
    chosen = {"server": False, "wait": True}
    for option in options:
        name, _, value = option.partition("=")
        if name not in chosen or value not in _SWITCH:
            raise ConfigError(f"-qmp {text}: {option!r} is not server=on, wait=on or wait=off; give {FORM}")
        chosen[name] = _SWITCH[value]
    if not chosen["server"]:
        raise ConfigError(f"-qmp {text}: we listen, and do not call others; add server=on")
    return Address(Path(path), chosen["wait"])
