"""Making a machine of a snapshot."""

from devices.state import StateError
from devices.virtio.balloon import HintState
from hv.config import MachineConfig
from hv.errors import ImageError
from hv.hostimage.identity import check_identity
from hv.machine import Machine
from hv.snapshot.reader import Snapshot


def restore(snapshot: Snapshot, config: MachineConfig | None = None) -> Machine:
    """Return a machine that goes on from a snapshot.

    Args:
        snapshot: it stays as it is, and can be restored again while its disks are the same.
        config: the machine, where its files are now; None when they are where they were.

    Raises:
        ImageError: the snapshot is damaged, or of another machine, or a disk is not as it was.
        ConfigError: the machine's parts do not fit together.
        HostError: the host cannot run it.
    """
    machine = Machine(config or snapshot.config, snapshot.load())
    try:
        # Only now are the disks locked, so nobody changes them between this look and the guest's first.
        check_identity(snapshot.name, snapshot.header.machine, machine.identity())
        machine.restore(snapshot.state)
        if machine.balloon is not None and machine.balloon.hint_state is not HintState.STOPPED:
            machine.balloon.finish_hinting()  # the snapshot has left the hinted pages out, and is complete
        if machine.now_ns != snapshot.header.virtual_ns:
            raise ImageError(f"{snapshot.name}: virtual_ns is not the time of its hart; use another copy")
    except StateError as error:
        machine.close()
        raise ImageError(f"{snapshot.name}: {error}; use another copy") from None
    except BaseException:
        machine.close()
        raise
    return machine
