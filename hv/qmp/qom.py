"""The balloon as an object with properties (`qapi/qom.json`): where its statistics are to be had.

The names of the statistics are QEMU's (`balloon_stat_names` in `hw/virtio/virtio-balloon.c`); one that the
driver has not given is 2^64 - 1, as there. `last-update` is the host's time in seconds since 1970.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from hv.inputs import POLL_MAX_S, PollStats
from hv.qmp.command import Argument, Command, check_type
from hv.qmp.errors import CommandError
from hv.vm import SECOND_NS, Vm

BALLOON_ID = "balloon0"
BALLOON_PATH = f"/machine/peripheral/{BALLOON_ID}"
BALLOON_TYPE = "virtio-balloon-device"

STAT_NAMES = {
    "swap_in": "stat-swap-in",
    "swap_out": "stat-swap-out",
    "major_faults": "stat-major-faults",
    "minor_faults": "stat-minor-faults",
    "free_memory": "stat-free-memory",
    "total_memory": "stat-total-memory",
    "available_memory": "stat-available-memory",
    "disk_caches": "stat-disk-caches",
    "hugetlb_allocations": "stat-htlb-pgalloc",
    "hugetlb_failures": "stat-htlb-pgfail",
    "oom_kill": "stat-oom-kills",
    "alloc_stall": "stat-alloc-stalls",
    "async_scan": "stat-async-scans",
    "direct_scan": "stat-direct-scans",
    "async_reclaim": "stat-async-reclaims",
    "direct_reclaim": "stat-direct-reclaims",
}
"""The device's names (VIRTIO_BALLOON_S_*) -> QEMU's."""

UNSET = (1 << 64) - 1


class Property(NamedTuple):
    """A property of the balloon: its type for `qom-list`, how it is read, how it is written if it can be."""

    type: str
    get: Callable[[Vm], object]
    set: Callable[[Vm, Any], None] | None = None


def _guest_stats(vm: Vm) -> object:
    balloon = vm.machine.balloon
    stats = (balloon and balloon.stats) or {}
    named = {theirs: stats.get(ours, UNSET) for ours, theirs in STAT_NAMES.items()}
    return {"stats": named, "last-update": vm.stats_updated_s}


def _polling_interval(vm: Vm) -> object:
    polling = vm.machine.stats_polling
    return polling and polling.interval_ns // SECOND_NS


def _set_polling_interval(vm: Vm, value: Any) -> None:
    check_type("guest-stats-polling-interval", value, "integer")
    if value < 0:
        raise CommandError("timer value must be greater than zero")
    if value > POLL_MAX_S:
        raise CommandError("timer value is too big")
    vm.enter(PollStats(value))


def _target(vm: Vm) -> object:
    return vm.machine.balloon and vm.machine.balloon.target_pages


_PROPERTIES = {
    "type": Property("string", lambda _vm: BALLOON_TYPE),
    "guest-stats": Property("guest statistics", _guest_stats),
    "guest-stats-polling-interval": Property("int", _polling_interval, _set_polling_interval),
    "num-pages": Property("int", _target),
}
"""Of the balloon. `num-pages` is not QEMU's: the target, as the device's configuration space has it."""

_TREE = {
    "/": {"machine": "child<virt-machine>"},
    "/machine": {"peripheral": "child<container>"},
    "/machine/peripheral": {BALLOON_ID: f"child<{BALLOON_TYPE}>"},
}
"""What leads to the balloon."""


def _find(vm: Vm, arguments: dict[str, Any]) -> Property:
    """Return the property that the arguments name; raises CommandError."""
    path, name = arguments["path"], arguments["property"]
    _check_path(vm, path)
    if path != BALLOON_PATH or name not in _PROPERTIES:
        kind = BALLOON_TYPE if path == BALLOON_PATH else "container"
        raise CommandError(f"Property '{kind}.{name}' not found")
    return _PROPERTIES[name]


def _check_path(vm: Vm, path: str) -> None:
    if path not in _TREE and (path != BALLOON_PATH or vm.machine.balloon is None):
        raise CommandError(f"Device '{path}' not found", "DeviceNotFound")


def _qom_get(vm: Vm, arguments: dict[str, Any]) -> object:
    """Read a property."""
    return _find(vm, arguments).get(vm)


def _qom_set(vm: Vm, arguments: dict[str, Any]) -> object:
    """Write a property."""
    write = _find(vm, arguments).set
    if write is None:
        raise CommandError(f"Property '{BALLOON_TYPE}.{arguments['property']}' is not writable")
    write(vm, arguments["value"])
    return {}


def _qom_list(vm: Vm, arguments: dict[str, Any]) -> object:
    """List what is in an object."""
    path = arguments["path"]
    _check_path(vm, path)
    if path == BALLOON_PATH:
        return [{"name": name, "type": found.type} for name, found in _PROPERTIES.items()]
    children = _TREE[path] if path != "/machine/peripheral" or vm.machine.balloon else {}
    return [{"name": name, "type": kind} for name, kind in children.items()]


_PATH, _PROPERTY = Argument("path", "string"), Argument("property", "string")

COMMANDS = {
    "qom-list": Command(_qom_list, (_PATH,)),
    "qom-get": Command(_qom_get, (_PATH, _PROPERTY)),
    "qom-set": Command(_qom_set, (_PATH, _PROPERTY, Argument("value", "value"))),
}
