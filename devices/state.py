"""Saved device state: plain data out, validated data in.

`save()` answers with dicts, lists, ints, bools, strings and bytes only, so that any format can carry it.
What comes back is untrusted: a device reads it through `Fields`, which checks every value and names the bad
one, and changes itself only when all were good.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from devices.errors import DeviceError

State = dict[str, Any]


class StateError(DeviceError):
    """Saved state does not describe this device; the message carries the path of the field."""


class Stateful(Protocol):
    """A device whose state can be taken out and put into a fresh one."""

    def save(self) -> State:
        """Return the whole state as plain data that shares nothing with the device."""

    def restore(self, state: State) -> None:
        """Take over a state that `save()` returned, or raise StateError and stay as it was."""


class Fields:
    """The fields of one saved state, each readable exactly as its owner means it.

    Raises StateError when `state` is not a dict with exactly the fields `names`.
    """

    def __init__(self, state: object, where: str, names: tuple[str, ...]) -> None:
        if not isinstance(state, dict):
            raise StateError(f"{where}: expected a mapping, found {type(state).__name__}")
        for name in names:
            if name not in state:
                raise StateError(f"{where}.{name}: missing")
        for name in state:
            if name not in names:
                raise StateError(f"{where}.{name}: unknown field")
        self._state = state
        self._where = where

    def value(self, name: str) -> Any:
        """The field as it is, for a part that checks its own state."""
        return self._state[name]

    def mapping(self, name: str) -> State:
        """The field as a mapping, for a part that checks what is in it."""
        value = self._state[name]
        if not isinstance(value, dict):
            raise self.fail(name, f"expected a mapping, found {type(value).__name__}")
        return value

    def fail(self, name: str, reason: str) -> StateError:
        """Return the error that says why the field is unusable."""
        return StateError(f"{self._where}.{name}: {reason}")

    def integer(self, name: str, low: int, high: int) -> int:
        """The field as an int in low..high, both included."""
        return self._integer(name, self._state[name], low, high)

    def boolean(self, name: str) -> bool:
        """The field as a bool; 0 and 1 are not bools."""
        value = self._state[name]
        if not isinstance(value, bool):
            raise self.fail(name, f"expected true or false, found {value!r:.40}")
        return value

    def data(self, name: str, low: int, high: int) -> bytes:
        """The field as low..high bytes."""
        value = self._state[name]
        if not isinstance(value, bytes):
            raise self.fail(name, f"expected bytes, found {type(value).__name__}")
        if not low <= len(value) <= high:
            raise self.fail(name, f"{len(value)} bytes, expected {_span(low, high)}")
        return value

    def flags(self, name: str, count: int) -> npt.NDArray[np.bool_]:
        """The field as `count` flags that `packed` made to bytes."""
        size = (count + 7) // 8
        bits = np.frombuffer(self.data(name, size, size), dtype=np.uint8)
        flags = np.unpackbits(bits, bitorder="little").astype(np.bool_)
        if flags[count:].any():
            raise self.fail(name, f"has flags beyond the {count} that there are")
        return flags[:count]

    def text(self, name: str, high: int) -> str:
        """The field as a string of at most `high` characters."""
        value = self._state[name]
        if not isinstance(value, str):
            raise self.fail(name, f"expected a string, found {type(value).__name__}")
        if len(value) > high:
            raise self.fail(name, f"{len(value)} characters, expected at most {high}")
        return value

    def items(self, name: str, low: int, high: int) -> list[object]:
        """The field as a list of low..high items, not yet checked."""
        value = self._state[name]
        if not isinstance(value, list):
            raise self.fail(name, f"expected a list, found {type(value).__name__}")
        if not low <= len(value) <= high:
            raise self.fail(name, f"{len(value)} items, expected {_span(low, high)}")
        return value

    def integers(self, name: str, count: int, low: int, high: int) -> list[int]:
        """The field as a list of exactly `count` ints in low..high."""
        items = self.items(name, count, count)
        return [self._integer(f"{name}[{i}]", item, low, high) for i, item in enumerate(items)]

    def _integer(self, name: str, value: object, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(name, f"expected a whole number, found {value!r:.40}")
        if not low <= value <= high:
            raise self.fail(name, f"{value} is outside {low}..{high}")
        return value


def packed(flags: npt.NDArray[np.bool_]) -> bytes:
    """Return flags as bytes of eight, the first in the lowest bit; `Fields.flags` reads them."""
    return np.packbits(flags, bitorder="little").tobytes()


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}..{high}"
