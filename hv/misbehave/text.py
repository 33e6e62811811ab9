"""Faults as people write them: `DEVICE:FAULT[=VALUE][@WHEN][+]`."""

import re

from hv.errors import ConfigError
from hv.misbehave.faults import KINDS, Fault, Unit

_TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_SHAPE = re.compile(
    r"(?P<device>[a-z]+[0-9]*):(?P<kind>[a-z-]+)(=(?P<value>\w+))?(@(?P<when>\w+))?(?P<always>\+)?", re.ASCII
)


def fault(text: str) -> Fault:
    """Read a fault.

    `balloon:late=7s@3` is late with the balloon's third request, `disk:silent@20ms` is silent from 20 ms of
    virtual time on, `disk:wrong-used-length=0+` lies about every request.

    Raises:
        ConfigError: it cannot be read, or there is no such fault.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ConfigError(f"--misbehave {text}: write DEVICE:FAULT[=VALUE][@WHEN][+], as balloon:late=7s@3")
    kind = KINDS.get(match["kind"])
    if kind is None:
        raise ConfigError(f"--misbehave {text}: no fault {match['kind']!r}; there are {', '.join(KINDS)}")
    if match["always"] and kind.visit is None:
        raise ConfigError(f"--misbehave {text}: {kind.name} comes once; leave the + away")
    value = _value(text, kind.unit, match["value"])
    if value is None:
        value = kind.default
    if value is None:
        raise ConfigError(f"--misbehave {text}: {kind.name} needs a value: {kind.name}={kind.unit.value}")
    when = match["when"] or "0ns"
    request = int(when) if when.isdecimal() else None
    if request == 0:
        raise ConfigError(f"--misbehave {text}: requests are counted from 1")
    ns = 0 if request is not None else _time(text, when)
    return Fault(match["device"], kind, value, request, ns, bool(match["always"]))


def _value(text: str, unit: Unit, value: str | None) -> int | None:
    if value is None:
        return None
    if unit is Unit.TIME:
        return _time(text, value)
    if unit is Unit.NUMBER and re.fullmatch(r"[0-9]{1,10}|0x[0-9a-fA-F]{1,8}", value):
        number = int(value, 0) if value.startswith("0x") else int(value)
        if number < 1 << 32:
            return number
    raise ConfigError(
        f"--misbehave {text}: ={value} is no "
        + ("value that this fault has; leave it away" if unit is Unit.NONE else "number of 32 bits")
    )


def _time(text: str, word: str) -> int:
    match = re.fullmatch("([0-9]{1,12})(ns|us|ms|s)", word)
    if match is None:
        raise ConfigError(f"--misbehave {text}: {word!r} is no time; write 20ms, 7s, 500us or a bare request")
    return int(match[1]) * _TIMES[match[2]]
