"""`thawvisor snapshot`: make snapshots, list them, look into one."""

from collections.abc import Iterator
from pathlib import Path

import click

from devices.virtio.balloon import HintState
from hv import board
from hv.cli.options import FILE, machine_options
from hv.cli.terminal import Screen
from hv.config import MachineConfig, check_place
from hv.errors import ConfigError, ImageError
from hv.machine import Machine
from hv.report import describe
from hv.shell import PATIENCE_NS, GuestShell
from hv.snapshot.format import Header
from hv.snapshot.reader import looks_like_one, open_snapshot
from hv.snapshot.writer import write_snapshot
from hv.stop import Stop, StopReason

_MODES = {0: "U", 1: "S", 3: "M"}


@click.group("snapshot")
def command() -> None:
    """Keep a whole machine in a file, at any moment; `thawvisor restore` goes on from there."""


@command.command("create")
@click.argument("file", type=FILE)
@machine_options
@click.option(
    "--type", "lines", multiple=True, help="A shell command to type first; may be given several times."
)
@click.option(
    "--at",
    "at_ns",
    type=click.IntRange(0),
    metavar="NS",
    help="Virtual time of the snapshot, whatever the guest is doing then (default: at the last prompt).",
)
@click.option("--hint", is_flag=True, help="Ask the guest which pages it has no use for, and leave them out.")
def create(file: Path, config: MachineConfig, lines: tuple[str, ...], at_ns: int | None, hint: bool) -> None:
    """Boot the toy kernel, type the given commands, keep the machine in FILE.

    The exit status is 1, and there is no snapshot, when a command fails or the machine stops before its time.
    """
    check_place(file, config, "snapshot")
    with Machine(config) as machine, Screen() as screen:
        machine.console.sink = screen.write
        if _type(GuestShell(machine), lines, at_ns) and at_ns is not None:
            _run_to(machine, at_ns)
        if hint:
            _ask_for_hints(machine)
        written = write_snapshot(file, machine)
    click.echo(
        f"\nthawvisor: {written.pages_saved} pages are in {file}, at {written.virtual_ns} ns; "
        f"`thawvisor restore --resume {file}` goes on",
        err=True,
    )


def _type(shell: GuestShell, lines: tuple[str, ...], at_ns: int | None) -> bool:
    """Type commands, each at a prompt, until virtual time `at_ns`; return whether they were done by then."""

    def left() -> int:
        return PATIENCE_NS if at_ns is None else at_ns - shell.machine.now_ns

    stop = shell.wait_for_prompt(left())
    for line in lines:
        if stop.reason is not StopReason.CONDITION:
            break
        reply = shell.command(line, left())
        stop = reply.stop
        if reply.status:
            raise click.ClickException(f"the guest's `{line}` failed: {reply.error}")
    wanted = (StopReason.CONDITION,) if at_ns is None else (StopReason.CONDITION, StopReason.BUDGET)
    _expect(shell.machine, stop, *wanted)
    return stop.reason is StopReason.CONDITION


def _ask_for_hints(machine: Machine) -> None:
    """Run until the guest has hinted all it has."""
    balloon = machine.balloon
    if balloon is None or not balloon.start_hinting():
        raise click.ClickException("--hint: the guest's balloon driver gives no hints; leave --hint out")
    stop = machine.run(machine.now_ns + PATIENCE_NS, until=lambda: balloon.hint_state is HintState.COMPLETE)
    _expect(machine, stop, StopReason.CONDITION)


def _run_to(machine: Machine, at_ns: int) -> None:
    """Run to a virtual time."""
    stop = machine.run(at_ns)
    _expect(machine, stop, StopReason.BUDGET, StopReason.IDLE)
    if stop.reason is StopReason.IDLE:
        machine.hart.advance(at_ns)


def _expect(machine: Machine, stop: Stop, *reasons: StopReason) -> None:
    """End with the machine's report unless it stopped for one of the reasons."""
    if stop.reason not in reasons:
        raise click.ClickException(describe(machine, stop))


@command.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def list_snapshots(folder: Path) -> None:
    """List the snapshots in FOLDER, and what is wrong with those that are damaged."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("snapshot", "RAM", "virtual ms", "pages saved", "ballooned", "disks"):
        table.add_column(title, justify="left" if title == "snapshot" else "right")
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; give a folder") from None
    for file in filter(looks_like_one, files):
        try:
            with open_snapshot(file) as snapshot:
                table.add_row(file.name, *_row(snapshot.header))
        except ImageError as error:
            click.echo(f"thawvisor: {error}", err=True)
    Console(soft_wrap=True).print(table, highlight=False, markup=False)


def _row(header: Header) -> Iterator[str]:
    yield f"{header.machine.ram_size // board.MIB}M"
    yield f"{header.virtual_ns / 1e6:.6f}"
    yield f"{header.pages_saved}"
    yield f"{header.pages_ballooned}"
    yield f"{len(header.machine.disks)}"


@command.command("inspect")
@click.argument("file", type=FILE)
def inspect(file: Path) -> None:
    """Verify FILE, every checksum of it, and say what is in it."""
    with open_snapshot(file) as snapshot:
        snapshot.load()
        header, state = snapshot.header, snapshot.state
    for key, value in _figures(header, state):
        click.echo(f"{key:16}{value}")


def _figures(header: Header, state: dict[str, object]) -> Iterator[tuple[str, object]]:
    parts, machine = header.parts, header.machine
    yield "virtual_ns", header.virtual_ns
    yield "ram", f"{machine.ram_size // board.MIB} MiB at {machine.ram_base:#x}"
    yield "pages_saved", header.pages_saved
    yield "pages_ballooned", header.pages_ballooned
    yield "pages_hinted", header.pages_hinted
    match state.get("hart"):
        case {"registers": {"pc": int(pc), "priv": int(priv)}, "waiting": bool(waiting)}:
            yield "pc", f"{pc:#x} in {_MODES.get(priv, priv)} mode" + (", waiting in wfi" if waiting else "")
    match state.get("console"):
        case {"line": bytes(line)} if line:
            yield "console", repr(line.decode("utf-8", "replace"))
    match state.get("uart"):
        case {"backlog": bytes(backlog)} if backlog:
            yield "typed ahead", repr(backlog.decode("utf-8", "replace"))
    yield "firmware", f"{parts.bios} {machine.firmware[:16]}"
    yield "kernel", f"{parts.kernel} {machine.kernel[:16]}"
    if parts.append:
        yield "append", repr(parts.append)
    yield "slots", " ".join(map(str, machine.slots))
    for disk in parts.disks:
        yield "disk", disk.path + ("" if disk.slot is None else f" in slot {disk.slot}")
