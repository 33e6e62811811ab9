"""What a command is: its arguments as a table, checked before it is run."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hv.qmp.errors import CommandError
from hv.vm import Vm

_INT64 = range(-(1 << 63), 1 << 63)

TYPES: Mapping[str, Callable[[object], bool]] = {
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool) and value in _INT64,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "value": lambda _value: True,
}
"""QAPI's names of JSON types, and what belongs to each."""


class Argument(NamedTuple):
    """An argument of a command.

    Attributes:
        name: its name.
        type: a key of `TYPES`.
        required: whether it must be given.
    """

    name: str
    type: str
    required: bool = True


class Command(NamedTuple):
    """A command.

    Attributes:
        run: does it; gets the machine and the arguments by name, returns the value of the reply's `return`.
        arguments: what it takes.
    """

    run: Callable[[Vm, dict[str, Any]], object]
    arguments: tuple[Argument, ...] = ()


def check_type(name: str, value: object, kind: str) -> None:
    """Refuse a value that is not of a type of `TYPES`; raises CommandError."""
    if not TYPES[kind](value):
        raise CommandError(f"Invalid parameter type for '{name}', expected: {kind}")


def check_arguments(arguments: dict[str, Any], known: tuple[Argument, ...]) -> None:
    """Refuse arguments that are missing, of another type, or not known.

    Raises:
        CommandError: names the argument.
    """
    for argument in known:
        if argument.name in arguments:
            check_type(argument.name, arguments[argument.name], argument.type)
        elif argument.required:
            raise CommandError(f"Parameter '{argument.name}' is missing")
    for name in arguments:
        if name not in {argument.name for argument in known}:
            raise CommandError(f"Parameter '{name}' is unexpected")
