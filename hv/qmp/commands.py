"""All commands by name, and those about the protocol itself (`qapi/control.json`)."""

from importlib.metadata import version
from typing import Any

from hv.qmp import balloon, dump, qom, runstate
from hv.qmp.command import Argument, Command, check_arguments
from hv.qmp.errors import CommandError
from hv.vm import Vm

NEGOTIATE = "qmp_capabilities"
"""The command that is the connection's own business: a client's first, and only its first."""


def version_info() -> dict[str, Any]:
    """Return `VersionInfo`: our own version, where QEMU's would be."""
    major, minor, micro = (int(part) for part in version("thawvisor").split("."))
    return {"qemu": {"micro": micro, "minor": minor, "major": major}, "package": "thawvisor"}


def _negotiate(_vm: Vm, arguments: dict[str, Any]) -> object:
    """Accept that we offer no capability."""
    for name in arguments.get("enable", []):
        raise CommandError(f"Parameter 'enable' does not accept value '{name}'")
    return {}


COMMANDS: dict[str, Command] = {
    NEGOTIATE: Command(_negotiate, (Argument("enable", "array", required=False),)),
    "query-version": Command(lambda _vm, _arguments: version_info()),
    "query-commands": Command(lambda _vm, _arguments: [{"name": name} for name in COMMANDS]),
    **runstate.COMMANDS,
    **balloon.COMMANDS,
    **qom.COMMANDS,
    **dump.COMMANDS,
}


def execute(vm: Vm, name: str, arguments: dict[str, Any]) -> object:
    """Carry out a command and return the value of the reply's `return`.

    Raises:
        CommandError: there is no such command, an argument is wrong, or it cannot be done.
    """
    command = COMMANDS.get(name)
    if command is None:
        raise CommandError(f"The command {name} has not been found", "CommandNotFound")
    check_arguments(arguments, command.arguments)
    return command.run(vm, arguments)
