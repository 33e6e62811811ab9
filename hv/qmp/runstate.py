"""Whether the machine runs, and how it ends (`qapi/run-state.json`, `qapi/misc.json`)."""

from typing import Any

from hv.inputs import PowerButton, Reset
from hv.qmp.command import Command
from hv.vm import Cause, Vm


def _query_status(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Say whether the machine runs."""
    return {"status": "paused" if vm.paused else "running", "singlestep": False, "running": not vm.paused}


def _stop(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Let the machine stand still."""
    vm.pause()
    return {}


def _cont(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Let the machine run."""
    vm.resume()
    return {}


def _quit(vm: Vm, _arguments: dict[str, Any]) -> object:
    """End the run as if the power went; the disks have what was flushed."""
    vm.leave(Cause.HOST_QMP_QUIT)
    return {}


def _system_powerdown(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Press the power button; what comes of it is the guest's business."""
    vm.enter(PowerButton())
    return {}


def _system_reset(vm: Vm, _arguments: dict[str, Any]) -> object:
    """Reset the machine: the same images boot again, the disks stay."""
    vm.enter(Reset())
    return {}


COMMANDS = {
    "query-status": Command(_query_status),
    "stop": Command(_stop),
    "cont": Command(_cont),
    "quit": Command(_quit),
    "system_powerdown": Command(_system_powerdown),
    "system_reset": Command(_system_reset),
}
