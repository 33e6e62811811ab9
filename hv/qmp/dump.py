"""Guest memory as an ELF core (`qapi/dump.json`)."""

from pathlib import Path
from typing import Any

from hv import board
from hv.config import check_place
from hv.errors import ThawvisorError
from hv.qmp.command import Argument, Command
from hv.qmp.errors import CommandError
from hv.snapshot.writer import write_snapshot
from hv.vm import Vm

_FILE = "file:"


def _dump_guest_memory(vm: Vm, arguments: dict[str, Any]) -> object:
    """Write an ELF core, whole or not at all. It is a snapshot: `thawvisor restore` takes it as well."""
    protocol = arguments["protocol"]
    if not protocol.startswith(_FILE) or protocol == _FILE:
        raise CommandError("Invalid parameter 'protocol'")
    if arguments["paging"]:
        raise CommandError(
            "Parameter 'paging' expects false: what the kernel has mapped is in the core anyway"
        )
    was_paused = vm.paused
    try:
        path = Path(protocol.removeprefix(_FILE))
        check_place(path, vm.machine.config, "dump")
        vm.pause()
        total = write_snapshot(path, vm.machine).pages_saved * board.PAGE_SIZE
        vm.emit("DUMP_COMPLETED", {"result": {"total": total, "status": "completed", "completed": total}})
    except (ThawvisorError, ValueError) as error:
        raise CommandError(str(error)) from None
    finally:
        if not was_paused:
            vm.resume()
    return {}


COMMANDS = {
    "dump-guest-memory": Command(
        _dump_guest_memory, (Argument("paging", "boolean"), Argument("protocol", "string"))
    ),
}
