"""A console session: a machine with its console on this terminal, from now until one of the two has enough.

While the guest idles, virtual time goes as the wall clock does, and costs no CPU; while it is busy, it goes
as fast as it can. What is typed, and what QMP clients command, enters at the virtual time that the guest has
reached (`hv.vm`).
"""

import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from hv.cli.options import how_to_thaw
from hv.cli.terminal import STDIN, Keyboard, Screen, keyboard
from hv.hibernate import write_host_image
from hv.inputs import Keys, Recorder
from hv.machine import Machine
from hv.monitor import report
from hv.qmp.address import Address
from hv.qmp.server import QmpServer
from hv.report import describe
from hv.stop import StopReason
from hv.vm import Cause, Vm

SLICE_NS = 10_000_000
"""Virtual time between two looks at the keyboard."""


def session(
    machine: Machine,
    host_image: Path | None,
    qmp: Sequence[Address] = (),
    recorder: Recorder | None = None,
) -> None:
    """Run a machine to its end; a reset makes a new one of the same configuration.

    Args:
        machine: where to begin; it is closed at the end.
        host_image: where the guest is kept when it hibernates to the platform; None if it cannot.
        qmp: where QMP servers listen.
        recorder: where the inputs are written down, and how they are replayed; None for nowhere.

    Raises:
        SystemExit: the guest died; the status is that which it reported, or 1; 1 for findings too.
        HostError: the image, the recording or the console's output cannot be written.
    """
    if os.isatty(STDIN):
        click.echo("thawvisor: Ctrl-A X leaves", err=True)
    screen = Screen()
    vm = Vm(machine, recorder, screen.write)
    with ExitStack() as stack:
        servers = [stack.enter_context(QmpServer(address, vm)) for address in qmp]
        stack.enter_context(vm)
        for server in servers:
            if server.address.wait:
                click.echo(f"thawvisor: waiting for a QMP client at {server.address.path}", err=True)
                server.wait_for_client()
        _Attached(vm, servers, screen).run()
        vm.record_end()
        _finish(vm, host_image, recorder)


class _Attached:
    """A machine whose console is on this process's standard streams, and that QMP servers look after."""

    def __init__(self, vm: Vm, servers: Sequence[QmpServer], screen: Screen) -> None:
        self._vm = vm
        self._servers = servers
        self._screen = screen
        self._set_pace()

    def run(self) -> None:
        """Run until the machine has ended, through its resets.

        It ends as well when the user leaves with Ctrl-A X, and when standard input has ended, no QMP client
        can come, and the guest waits for more.
        """
        vm = self._vm
        with self._screen, keyboard() as keys:
            while vm.ending is None:
                self._slice(keys)
                if vm.ending is not None and vm.ending.resets:
                    vm.reset()
                    self._set_pace()

    def _slice(self, keys: Keyboard) -> None:
        """Let the guest run for a while, and then whoever wants something of it have it."""
        vm = self._vm
        if vm.paused:
            self._look(keys, None)
            self._set_pace()
            return
        stop = vm.run(vm.machine.now_ns + SLICE_NS)
        self._screen.flush()
        if vm.ending is not None:
            return
        if stop.reason is StopReason.IDLE:
            if keys.closed and not self._servers:
                vm.leave(Cause.HOST_UI)
                return
            self._look(keys, None)
        elif vm.machine.hart.waiting:
            ahead = (vm.machine.now_ns - self._virtual) / 1e9 - (time.monotonic() - self._wall)
            self._look(keys, max(0.0, ahead))
        else:
            self._look(keys, 0.0)
            self._set_pace()

    def _set_pace(self) -> None:
        """Take note of where wall and virtual time stand: from here on an idle guest's go together."""
        self._wall, self._virtual = time.monotonic(), self._vm.machine.now_ns

    def _look(self, keys: Keyboard, wait_s: float | None) -> None:
        """Wait for keys and QMP clients, and let an idle guest's time go on meanwhile; enter what came."""
        vm = self._vm
        waits = [wait_s, *(server.wait_s() for server in self._servers)]
        readers: list[Any] = [*keys.readers, *(line for server in self._servers for line in server.readers)]
        writers: list[Any] = [line for server in self._servers for line in server.writers]
        soonest = min((wait for wait in waits if wait is not None), default=None)
        readable, writable, _ = select.select(readers, writers, [], soonest)
        if wait_s is None and not vm.paused:
            vm.machine.hart.advance(self._virtual + int((time.monotonic() - self._wall) * 1e9))
        typed = keys.take() if STDIN in readable else b""
        if keys.leaving:
            vm.leave(Cause.HOST_UI)
        elif typed:
            vm.enter(Keys(typed.decode("latin-1")))
        for server in self._servers:
            server.serve([*readable, *writable])


def _finish(vm: Vm, host_image: Path | None, recorder: Recorder | None) -> None:
    """Say how a session ended, keep the host image if the guest asked for one, and set the exit status."""
    assert vm.ending is not None, "a session has an end"
    machine, stop = vm.machine, vm.ending.stop
    if tell_findings(machine):
        _fail(1, recorder)
    if stop is None:
        return
    if stop.reason is StopReason.HIBERNATE:
        vm.emit("SUSPEND_DISK")
        if host_image is not None:
            write_host_image(machine, host_image)
            click.echo(how_to_thaw(host_image), err=True)
    if stop.reason is StopReason.GUEST_FAULT:
        click.echo(describe(machine, stop), err=True)
        _fail(min(stop.code, 255) or 1, recorder)


def tell_findings(machine: Machine) -> bool:
    """Say what those who looked on have seen; return whether it was anything wrong."""
    found = False
    if machine.sanitizer is not None:
        for finding in machine.sanitizer.findings:
            click.echo(f"thawvisor: {machine.sanitizer.report(finding)}", err=True)
        found = bool(machine.sanitizer.findings)
    if machine.monitor is not None:
        verdicts = machine.monitor.verdicts
        click.echo("\n".join(report(verdicts)), err=True)
        found |= bool(verdicts.breaches)
    return found


def _fail(status: int, recorder: Recorder | None) -> None:
    """End with a status that is not 0; say how the run can be seen again."""
    if recorder is not None:
        click.echo(f"thawvisor: `{recorder.replay_command}` does it again", err=True)
    sys.exit(status)
