"""The balloon's commands (`qapi/machine.json`). QEMU's sizes are of the RAM that is left to the guest."""

from typing import Any

from devices.virtio.balloon import Balloon
from hv import board
from hv.inputs import Target
from hv.qmp.command import Argument, Command
from hv.qmp.errors import CommandError
from hv.vm import Vm


def active_balloon(vm: Vm) -> Balloon:
    """Return the machine's balloon; raises CommandError when it has none."""
    if vm.machine.balloon is None:
        raise CommandError("No balloon device has been activated", "DeviceNotActive")
    return vm.machine.balloon


def _balloon(vm: Vm, arguments: dict[str, Any]) -> object:
    """Ask for a balloon that leaves the guest so many bytes; more than RAM means no balloon."""
    active_balloon(vm)
    if arguments["value"] <= 0:
        raise CommandError("Parameter 'target' expects a size")
    taken = max(0, vm.machine.config.ram - arguments["value"])
    vm.enter(Target(taken // board.PAGE_SIZE))
    return {}


def _query_balloon(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Say how many bytes the driver has left the guest."""
    active_balloon(vm)
    return {"actual": vm.ram_left()}


def _query_memory_size_summary(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Say how much RAM the machine was made with."""
    return {"base-memory": vm.machine.config.ram}


COMMANDS = {
    "balloon": Command(_balloon, (Argument("value", "integer"),)),
    "query-balloon": Command(_query_balloon),
    "query-memory-size-summary": Command(_query_memory_size_summary),
}
