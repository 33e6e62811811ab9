"""The command `thawvisor`: one file a verb, imported only when the verb is used.

`thawvisor --help` must not pay for numba and unicorn, so the group knows each verb's module and help line as
data.
"""

import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from hv.errors import ThawvisorError

VERBS = {
    "run": ("hv.cli.run", "Boot a guest with its console on this terminal."),
    "demo": ("hv.cli.demo", "Tell the main story: boot, balloon, hibernate, resume, books."),
    "hibernate": ("hv.cli.hibernate", "Boot a guest, hibernate it into a host image."),
    "thaw": ("hv.cli.thaw", "Resume a guest from a host image."),
    "snapshot": ("hv.cli.snapshot", "Keep a whole machine in a file; list such files, look into one."),
    "restore": ("hv.cli.restore", "Go on from a snapshot."),
    "replay": ("hv.cli.replay", "Do a recorded run again."),
    "balloon": ("hv.cli.balloon", "Show or set the balloon of a running machine."),
    "stats": ("hv.cli.stats", "Show the guest's memory statistics of a running machine."),
    "scenario": ("hv.cli.scenario", "List and run scenarios: what can befall a guest around hibernation."),
    "s4": ("hv.cli.s4", "Compare the eras of the balloon driver around a hibernation."),
    "linux": ("hv.cli.linux", "Boot Debian's Linux; make what it is booted from."),
    "conformance": (
        "hv.cli.conformance",
        "Put virtio devices to tests of the specification's clauses.",
    ),
    "doctor": ("hv.cli.doctor", "Check that this host can run the machine."),
    "dtb": ("hv.cli.dtb", "Show the device tree that the guest is given."),
}
"""Verb -> module that defines a click command `command`, and its line of help."""


class Verbs(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command; None for an unknown verb."""
        if cmd_name not in VERBS:
            return None
        # What a verb imports is 160,000 objects, nearly all of them numba's and here to stay. Looking for
        # garbage among them, again and again as they come, would be a fifth of the start.
        gc.disable()
        command: click.Command = importlib.import_module(VERBS[cmd_name][0]).command
        gc.freeze()
        gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=Verbs, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="thawvisor")
def cli() -> None:
    """A mini-hypervisor that boots a guest, balloons its memory, hibernates it and brings it back.

    It says exactly what became of every page.
    """


def main() -> NoReturn:
    """Entry point of the console script.

    A user's mistake is one line on stderr and status 2; a verb that could not do its work, status 1.
    """
    _open_standard_streams()
    # Threads of a library that nothing here uses, made by numpy's import: a tenth of the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        status = cli(standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "thawvisor"
        click.echo(f"{command}: {error.format_message().rstrip('.')}; see {command} --help", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"thawvisor: {error.message}", err=True)
        sys.exit(error.exit_code)
    except ThawvisorError as error:
        click.echo(f"thawvisor: {error}", err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(128 + signal.SIGINT)
    sys.exit(status)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as the signal asks, but put things back first: the terminal's settings, temporary files."""
    sys.exit(128 + number)


def _open_standard_streams() -> None:
    """Give the process the standard streams that it was started without: no disk may become descriptor 0."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115 - it stays open
