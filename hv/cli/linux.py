"""`thawvisor linux`: Debian's Linux as a guest."""

from pathlib import Path

import click

from hv.cli.options import FILE
from hv.cli.run import command as run_command
from hv.linux.kit import Kit, assemble, default_folder, ensure
from hv.linux.kit import fetch as fetch_kit

FOLDER = click.option(
    "--dir", "folder", type=FILE, help="Where the kit lies (default: among the user's caches)."
)


@click.group("linux", no_args_is_help=False)
def command() -> None:
    """Boot Debian's unmodified Linux.

    A kit is a folder with a kernel and an initramfs, made from Debian's packages; nothing gets installed.
    """


@command.command("fetch")
@FOLDER
@click.argument("packages", nargs=-1, type=FILE, metavar="[PACKAGE.deb]...")
def fetch(folder: Path | None, packages: tuple[Path, ...]) -> None:
    """Make a kit, from packages that apt downloads, or from those given."""
    place = folder or default_folder()
    kit = assemble(place, packages) if packages else fetch_kit(place)
    for path, what in ((kit.kernel, "-kernel"), (kit.initrd, "-initrd"), (kit.opensbi, "-bios, if not ours")):
        click.echo(f"{path}  ({what})")


@command.command("run", context_settings={"ignore_unknown_options": True})
@FOLDER
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[RUN OPTION]...")
def run(folder: Path | None, options: tuple[str, ...]) -> None:
    """Boot it to a shell on this terminal: `thawvisor run` with the kit's files and 512 MiB of RAM.

    The kit is made first, if it is not there. All further options are those of `thawvisor run`.
    """
    kit = Kit(folder or default_folder())
    if not kit.complete:
        click.echo(f"thawvisor: making {kit.folder} from Debian's packages", err=True)
        ensure(kit.folder)
    arguments = ["-kernel", str(kit.kernel), "-initrd", str(kit.initrd), "-m", "512M", *options]
    run_command.main(arguments, "thawvisor linux run", standalone_mode=False)
