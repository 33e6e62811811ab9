"""What the command line refuses, and how: bad options, bad files, images of other machines."""

import fcntl
import os
import re
import struct
from pathlib import Path

import pytest

from hv import board, images
from tests.harness.elf import Load, make_elf
from tests.harness.guest import make_disk
from tests.harness.terminal import Run, thawvisor


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of things that are not what they should be, and of a few that are."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "text").write_text("hello")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    code = Load(b"\x13\0\0\0" * 8, board.KERNEL_BASE)
    (folder / "x86").write_bytes(make_elf(code, entry=board.KERNEL_BASE, machine=62))
    (folder / "other").write_bytes(make_elf(code, entry=board.KERNEL_BASE))
    low = board.DRAM_BASE - board.MIB
    (folder / "low").write_bytes(make_elf(Load(code.data, low), entry=low))
    high = board.KERNEL_BASE + board.GIB
    (folder / "high").write_bytes(make_elf(Load(code.data, high), entry=high))
    (folder / "cut").write_bytes(images.GUEST.read_bytes()[:20_000])
    make_disk(folder / "disk", board.MIB)
    make_disk(folder / "odd", 1000)
    make_disk(folder / "big", 300 * board.MIB)
    return folder


@pytest.fixture
def here(files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of files, in which the command runs."""
    monkeypatch.chdir(files)
    return files


REFUSED = [
    # What is booted.
    ("run -kernel nosuch", "kernel nosuch: no such file; check the path"),
    ("run -bios nosuch", "firmware nosuch: no such file; check the path"),
    ("run -kernel text", "kernel text: neither an ELF nor a RISC-V Image; give vmlinux"),
    ("run -kernel empty", "kernel empty: neither an ELF nor a RISC-V Image; give vmlinux"),
    ("run -kernel folder", "kernel folder: not a regular file; give the file itself"),
    ("run -kernel pipe", "kernel pipe: not a regular file; give the file itself"),
    ("run -kernel x86", "kernel x86: ELF for machine 62, .*; build it for RISC-V"),
    ("run -kernel cut", "kernel cut: .*truncated.*; use another copy"),
    ("run -kernel low", "kernel low: at 0x7ff00000-.*, outside RAM 0x80000000-.*; link it to run from RAM"),
    ("run -kernel high", "kernel high: at 0xc0200000-.*, outside RAM .*; give .* 1029 MiB .-m 1029M."),
    ("run -bios other", "firmware other: at 0x80200000-.*, outside the firmware's memory .*; link it there"),
    ("run -initrd nosuch", "initrd nosuch: no such file; check the path"),
    ("run -initrd folder", "initrd folder: not a regular file; give the file itself"),
    ("run -initrd empty", "initrd empty: empty; use another copy"),
    ("run -initrd big", "initrd big: 314572800 bytes do not fit .*; make it smaller, or give more RAM .-m."),
    (f"run -append {'x' * 1024}", "-append of 1024 bytes: a kernel takes at most 1023; shorten it"),
    # Sizes.
    ("run -m 31M", "RAM of 32505856 bytes: give -m a size of whole pages from 32M to 8G"),
    ("run -m 8193M", "RAM of 8590983168 bytes: give -m a size of whole pages from 32M to 8G"),
    ("run -m 0", "RAM of 0 bytes: give -m a size"),
    ("run -m 65537K", "Invalid value for '-m': '65537K' is not a whole number of 4 KiB pages"),
    (
        "run -m lots",
        "Invalid value for '-m': 'lots' is not a size: write 256M, 2G, 64K, or a bare number of MiB",
    ),
    ("run -m -64M", "Invalid value for '-m': '-64M' is not a size"),
    ("run -m 1.5G", "Invalid value for '-m': '1.5G' is not a size"),
    ("run -m ²M", "Invalid value for '-m': '²M' is not a size"),
    ("run --balloon 1K", "Invalid value for '--balloon': '1K' is not a whole number of 4 KiB pages"),
    ("run -m 64M --balloon 65M", "a balloon of 16640 pages: RAM has 16384; give a smaller --balloon"),
    # Disks and slots.
    ("run --disk nosuch", "disk nosuch: cannot open it: No such file or directory; check the path"),
    ("run --disk folder", "disk folder: cannot open it: Is a directory; check the path"),
    ("run --disk pipe", "disk pipe: not a regular file; give a raw disk image"),
    ("run --disk odd", "disk odd: 1000 bytes are no whole sectors; make it a multiple of 512"),
    ("run --disk empty", "disk empty: 0 bytes are no whole sectors; make it a multiple of 512"),
    ("run --disk disk --disk disk", "disk disk: another machine, or another disk of this one, .*; give each"),
    (
        "run --disk disk,slot=1",
        "disk disk in slot 1 .* overlaps balloon in slot 1 .*: give one .* another slot",
    ),
    ("run --disk disk,slot=0 --disk big,slot=0", "disk big in slot 0 .* overlaps disk disk in slot 0"),
    ("run --disk disk,slot=8", "virtio-mmio slot 8: the board has slots 0 to 7"),
    ("run --disk disk,slot=one", "Invalid value for '--disk': 'disk,slot=one' is not PATH or PATH,slot=N"),
    ("run --balloon-slot 8", "Invalid value for '--balloon-slot': 8 is not in the range 0<=x<=7"),
    # Where a host image goes, found out before the guest has done anything.
    ("run --host-image nosuch/image", "host image nosuch/image: nosuch is not a folder; make it first"),
    ("run --host-image text/image", "host image text/image: text is not a folder; make it first"),
    ("run --host-image folder", "host image folder: not a regular file; choose another name"),
    ("run --host-image pipe", "host image pipe: not a regular file; choose another name"),
    (f"run --host-image {'x' * 256}", "host image x+: File name too long; choose another place"),
    ("run --disk disk --host-image disk", "host image disk: that is a file of the machine itself; choose"),
    ("hibernate --disk disk ./disk", "host image disk: that is a file of the machine itself; choose"),
    ("hibernate nosuch/image", "host image nosuch/image: nosuch is not a folder; make it first"),
    ("hibernate", "Missing argument 'IMAGE'; see thawvisor hibernate --help"),
    # What is thawed.
    ("thaw nosuch", "host image nosuch: no such file; check the path"),
    ("thaw folder", "host image folder: not a regular file; give the file itself"),
    ("thaw /dev/zero", "host image /dev/zero: not a regular file; give the file itself"),
    ("thaw empty", "host image empty: truncated, .*; use another copy"),
    ("thaw disk", "host image disk: not a host image"),
    # Other verbs, other words.
    ("dtb dump -o folder", "folder: cannot be written .Is a directory.; choose another place"),
    ("dtb dump -o nosuch/tree", "nosuch/tree: cannot be written .No such file or directory.; choose another"),
    ("dtb dump --disk disk", "No such option:? '?--disk'?; see thawvisor dtb dump --help"),
    ("dtb", "Missing command; see thawvisor dtb --help"),
    ("demo --keep nosuch", "--keep nosuch: not a folder; make it first"),
    ("demo --touch 100M", "--touch and --balloon are 148 MiB of the 128 MiB that -m gives; raise -m"),
    (
        "demo --policy e5",
        "Invalid value for '--policy': 'e5' is not one of .*'e4'.*; see thawvisor demo --help",
    ),
    ("run extra", "Got unexpected extra argument .extra.; see thawvisor run --help"),
    ("run -nographic", "No such option:? '?-n.*; see thawvisor run --help"),
    ("walk", "No such command 'walk'; see thawvisor --help"),
    ("", "Missing command; see thawvisor --help"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("line", "says"), REFUSED, ids=[line[:40] for line, _ in REFUSED])
def test_bad_input(run: Run, line: str, says: str) -> None:
    """A mistake is one line that names the cause and the fix, and status 2, before any guest runs."""
    status, out, err = run(*line.split())
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"thawvisor[ a-z]*: {says}.*\n", err)


def test_a_disk_in_use(run: Run, here: Path) -> None:
    """A disk that another machine has open is refused, and free again when that one ends."""
    with (here / "disk").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run("run", "--disk", "disk", "--disk", "odd").err.startswith(
            "thawvisor: disk disk: another machine"
        )
    assert run("run", "--disk", "disk", "--disk", "odd").err.startswith("thawvisor: disk odd: 1000 bytes")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("option", ["-kernel", "-initrd", "--disk"])
def test_an_unreadable_file(run: Run, tmp_path: Path, option: str) -> None:
    """A file that we may not read is one line."""
    secret = make_disk(tmp_path / "secret", 512)
    secret.chmod(0)
    status, out, err = run("run", option, secret)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"thawvisor: .*Permission denied.*; check the path and its mode\n", err)


def test_what_the_host_cannot_give(tmp_path: Path) -> None:
    """No address space for RAM, or a full disk under the host image, is one line and leaves nothing."""
    done = thawvisor("run", "-m", "8G", shell="ulimit -v 4000000")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(r"thawvisor: no memory for the guest: .*; give -m less\n", done.err)
    assert thawvisor("hibernate", tmp_path / "image").status == 0  # what numba keeps of it is written by now
    (tmp_path / "image").unlink()
    done = thawvisor("hibernate", tmp_path / "image", shell="ulimit -f 8")
    assert done.status == 2
    assert re.fullmatch(
        r"thawvisor: host image .*/image: .*File too large.*; choose another place\n", done.err
    )
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def image(files: Path) -> Path:
    """A guest that sleeps, with 4 MiB of pattern and the disk `disk`."""
    image = files / "my image"
    done = thawvisor("hibernate", "-m", "33000K", "--disk", files / "disk", "--type", "touch 4M", image)
    assert done.status == 0
    assert re.fullmatch(r"thawvisor: RAM is in .*/my image; `thawvisor thaw '.*/my image'` .*\n", done.err)
    return image


def test_thaw(image: Path, here: Path) -> None:
    """The guest goes on in another process, with its memory as it was; its size need not be said."""
    done = thawvisor("thaw", "--disk", "disk", image, typed="verify\npoweroff\n")
    assert (done.status, done.err) == (0, "")
    assert "touched_pages 1024\n" in done.out
    assert "bad_pages 0\n" in done.out
    assert here.joinpath("disk").stat().st_size == board.MIB


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("thaw IMAGE -m 64M --disk disk", "bytes of RAM: 33792000 when .*, 67108864 now; give -m 33000K"),
        ("thaw IMAGE", r"device ids in slots: .*; attach the same devices to the same slots"),
        ("thaw IMAGE --disk big", "size of disk 0: 1048576 when it was written, .*; attach the same disks"),
        ("thaw IMAGE --disk disk -kernel other", "kernel: .*; give the same -kernel"),
        ("thaw IMAGE --disk disk --balloon 33M", "a balloon of 8448 pages: RAM has 8250"),
        ("thaw IMAGE --disk disk --host-image disk", "that is a file of the machine itself"),
    ],
)
def test_thaw_on_another_machine(run: Run, image: Path, line: str, says: str) -> None:
    """An image is refused by a machine that is not the one it was written on."""
    status, out, err = run(*(image if word == "IMAGE" else word for word in line.split()))
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"thawvisor: .*{says}.*\n", err)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("damage", ["magic", "version", "front", "contents", "end", "start only", "longer"])
def test_a_damaged_image(run: Run, image: Path, tmp_path: Path, damage: str) -> None:
    """An image that was damaged in any part is refused whole."""
    data = bytearray(image.read_bytes())
    match damage:
        case "magic":
            data[0] ^= 1
        case "version":
            data[8:12] = struct.pack("<I", 99)
        case "front":
            data[40] ^= 1
        case "contents":
            data[-5000] ^= 1
        case "end":
            del data[-1:]
        case "start only":
            del data[30:]
        case "longer":
            data += b"more"
    bad = tmp_path / "bad"
    bad.write_bytes(data)
    status, out, err = run("thaw", bad, "--disk", "disk")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"thawvisor: host image .*/bad: .*; .*\n", err)


def test_a_guest_that_does_not_sleep(run: Run, tmp_path: Path) -> None:
    """A command that fails, and a guest that ends before it sleeps: status 1, the reason, no image."""
    done = run("hibernate", tmp_path / "image", "--type", "ps", "--type", "walk")
    assert (done.status, done.err) == (
        1,
        "thawvisor: the guest's `walk` failed: ENOENT (No such file or directory)\n",
    )
    done = run("hibernate", tmp_path / "image", "--type", "poweroff")
    assert done.status == 1
    assert re.fullmatch(r"thawvisor: POWEROFF at [0-9.]+ ms of virtual time\n", done.err)
    assert not list(tmp_path.iterdir())
