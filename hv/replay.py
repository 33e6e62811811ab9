"""Recordings: a run's machine and its inputs in a file, and the run made again of them.

The header names the machine's parts and pins their contents. A replay has the disks as they were, and
writes to copies in memory, so it can be made again and again.
"""

from collections.abc import Sequence
from dataclasses import replace as changed
from pathlib import Path

import msgspec

from devices.errors import DeviceError
from devices.virtio.backends import BackendError, FileBackend
from devices.virtio.forked_backend import ForkedBackend, freeze
from hv.config import Disk, moved
from hv.errors import ImageError
from hv.hostimage.identity import MachineIdentity, check_identity
from hv.inputs import End, Entry, Recorder, decode_entries, read_recording
from hv.machine import Machine
from hv.sanitizer import Mode
from hv.snapshot.format import Parts
from hv.stop import StopReason
from hv.vm import Vm

PATIENCE_NS = 1 << 62
"""Virtual time in which a replayed machine must come to an end that its guest brought about."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recording says of its machine.

    Attributes:
        machine: what must be the same to replay.
        parts: where its images and disks lay.
        sanitize: what a finding of the sanitizer does; None for no sanitizer.
        monitor: whether the monitor looked on.
    """

    machine: MachineIdentity
    parts: Parts
    sanitize: Mode | None
    monitor: bool


def record(path: Path, machine: Machine) -> Recorder:
    """Begin a recording of a machine that has not run yet.

    Raises:
        ImageError: a disk cannot be read.
        HostError: the recording cannot be written.
    """
    config = machine.config
    return Recorder(path, Header(machine.identity(), Parts.of(config), config.sanitize, config.monitor))


class Recording:
    """A recording that was read.

    Args:
        path: the file.
        disks: where the disks are now; empty for where they were.

    Attributes:
        entries: the inputs.

    Raises:
        ImageError: it is damaged, or a disk is not there.
        ConfigError: there were more disks, or fewer.
    """

    def __init__(self, path: Path, disks: Sequence[Path] = ()) -> None:
        first, *rest = read_recording(path)
        try:
            self._header = msgspec.json.decode(first, type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ImageError(f"recording {path}, line 1: {error}; is it a recording?") from None
        self._path = path
        self.entries = decode_entries(rest, path)
        config = self._header.parts.config(self._header.machine.ram_size)
        config = changed(config, disks=moved(config.disks, disks))
        self._config = changed(
            config,
            sanitize=self._header.sanitize,
            monitor=self._header.monitor,
            disks=tuple(_in_memory(disk) for disk in config.disks),
        )

    def machine(self) -> Machine:
        """Return the machine, about to run.

        Raises:
            ImageError: an image, or a disk, is not what it was.
        """
        machine = Machine(self._config)
        try:
            check_identity(f"recording {self._path}", self._header.machine, machine.identity())
        except BaseException:
            machine.close()
            raise
        return machine


def _in_memory(disk: Disk) -> Disk:
    """Return a disk with the same contents, whose file will not be written to."""
    try:
        backend = FileBackend(disk.path)
        try:
            return changed(disk, backend=ForkedBackend(freeze(backend)))
        finally:
            backend.close()
    except (BackendError, DeviceError) as error:
        raise ImageError(str(error)) from None


def replay(vm: Vm, entries: Sequence[Entry]) -> bool:
    """Give a machine the inputs of a recording, each at its time.

    Args:
        vm: the machine, as it was when the recording began.
        entries: the recording.

    Returns:
        Whether it came to the recorded end: the same virtual time, the same RAM. False as well when a machine
        ended where the recorded one did not, or the recording has no end.
    """
    for entry in entries:
        while vm.boot < entry.boot and _run_to(vm, PATIENCE_NS):
            vm.reset()
        _run_to(vm, entry.ns)
        if (vm.boot, vm.machine.now_ns) != (entry.boot, entry.ns):
            return False
        if isinstance(entry.input, End):
            return vm.machine.ram_sha256() == entry.input.ram
        vm.enter(entry.input)
    while _run_to(vm, PATIENCE_NS):
        vm.reset()
    return False


def _run_to(vm: Vm, ns: int) -> bool:
    """Run to a virtual time; return whether the machine is to be reset before that."""
    if vm.ending is None and vm.machine.now_ns < ns:
        stop = vm.run(ns)
        if stop.reason is StopReason.IDLE and ns < PATIENCE_NS:
            vm.machine.hart.advance(ns)
    return vm.ending is not None and vm.ending.resets
