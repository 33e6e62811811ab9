"""A console session: a machine with its console on this terminal, from now until one of the two has enough.

While the guest idles, virtual time goes as the wall clock does, and costs no CPU; while it is busy, it goes
as fast as it can. What is typed enters at the virtual time that the guest has reached.
"""

import os
import sys
import time
from pathlib import Path

import click

from hv.cli.options import how_to_thaw
from hv.cli.terminal import STDIN, Screen, keyboard
from hv.hibernate import write_host_image
from hv.machine import Machine
from hv.monitor import report
from hv.report import describe
from hv.stop import Stop, StopReason

SLICE_NS = 10_000_000
"""Virtual time between two looks at the keyboard."""


def session(machine: Machine, host_image: Path | None) -> None:
    """Run a machine to its end; a reset makes a new one of the same configuration.

    Args:
        machine: where to begin; it is closed at the end.
        host_image: where the guest is kept when it hibernates to the platform; None if it cannot.

    Raises:
        SystemExit: the guest died; the status is that which it reported, or 1; 1 for findings too.
        HostError: the image, or the console's output, cannot be written.
    """
    if os.isatty(STDIN):
        click.echo("thawvisor: Ctrl-A X leaves", err=True)
    while True:
        with machine:
            stop = attach(machine)
            if stop is None or stop.reason is not StopReason.RESET:
                _finish(machine, stop, host_image)
                return
        machine = Machine(machine.config)


def attach(machine: Machine) -> Stop | None:
    """Run a machine with its consoles on this process's standard output, and the best of them on its input.

    Returns:
        How the machine stopped; None when the user left with Ctrl-A X, or when standard input has ended and
        the guest waits for more of it.
    """
    screen = Screen()
    machine.console.sink = screen.write
    terminal = machine.serial
    if machine.channel is not None:
        terminal = machine.channel
        terminal.console.sink = screen.write
    # Where wall and virtual time stood when the guest was last busy.
    wall, virtual = time.monotonic(), machine.now_ns
    with screen, keyboard() as keys:
        while True:
            stop = machine.run(machine.now_ns + SLICE_NS)
            screen.flush()
            if stop.reason not in (StopReason.BUDGET, StopReason.IDLE):
                return stop
            if stop.reason is StopReason.IDLE:
                if keys.closed:
                    return None
                typed = keys.read(None)
                machine.hart.advance(virtual + int((time.monotonic() - wall) * 1e9))
            elif machine.hart.waiting:
                ahead = (machine.now_ns - virtual) / 1e9 - (time.monotonic() - wall)
                typed = keys.read(max(0.0, ahead))
            else:
                typed = keys.read(0)
                wall, virtual = time.monotonic(), machine.now_ns
            if keys.leaving:
                return None
            terminal.type(typed)


def _finish(machine: Machine, stop: Stop | None, host_image: Path | None) -> None:
    """Say how a session ended, keep the host image if the guest asked for one, and set the exit status."""
    if _tell_findings(machine):
        sys.exit(1)
    if stop is None:
        return
    if stop.reason is StopReason.HIBERNATE and host_image is not None:
        write_host_image(machine, host_image)
        click.echo(how_to_thaw(host_image), err=True)
    if stop.reason is StopReason.GUEST_FAULT:
        click.echo(describe(machine, stop), err=True)
        sys.exit(min(stop.code, 255) or 1)


def _tell_findings(machine: Machine) -> bool:
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
