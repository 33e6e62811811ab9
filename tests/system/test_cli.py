"""The command line as a user meets it: what each verb does, and leaves."""

import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hv import board
from hv.cli import VERBS
from hv.fdt import decode
from tests.harness.terminal import SCRIPT, Run, Terminal, terminal, thawvisor


def property_of(tree: bytes, path: str, name: str) -> bytes:
    """Return a property of a node in a flattened device tree."""
    node = decode(tree).root.find(path)
    assert node is not None
    return node.properties[name]


def test_bytes_that_are_no_text(run: Run, tmp_path: Path) -> None:
    """File names and command lines are the user's bytes, UTF-8 or not."""
    assert run("run", "-kernel", os.fsdecode(b"no\xff")).err.endswith(": no such file; check the path\n")
    assert run("dtb", "dump", "-append", os.fsdecode(b"x=\xff"), "-o", tmp_path / "tree").status == 0
    assert property_of((tmp_path / "tree").read_bytes(), "/chosen", "bootargs") == b"x=\xff\0"


def test_device_tree(run: Run, tmp_path: Path) -> None:
    """`dtb dump` writes the tree that the options make, to a file or a pipe, and never to a terminal."""
    done = run("dtb", "dump", "-m", "1G", "-append", "quiet")
    tree = done.out.encode("latin-1")
    assert property_of(tree, "/chosen", "bootargs") == b"quiet\0"
    assert property_of(tree, "/memory@80000000", "reg") == struct.pack(">2Q", board.DRAM_BASE, board.GIB)
    assert run("dtb", "dump", "-m", "1G", "-append", "quiet", "-o", tmp_path / "tree") == (0, "", "")
    assert (tmp_path / "tree").read_bytes() == tree
    with terminal("dtb", "dump") as screen:
        screen.expect("^thawvisor: the tree is binary: give -o FILE, or pipe it")
        assert screen.wait() == 2


def test_doctor(run: Run) -> None:
    """On a host that runs this suite every check is ok, one line each."""
    status, out, err = run("doctor")
    assert (status, err) == (0, "")
    checks = [line.split()[:2] for line in out.splitlines()]
    assert checks == [["ok", name] for name in ("python", "packages", "install", "unicorn", "memory", "boot")]


def test_doctor_finds_what_is_wrong(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that fails, however, is a line with its reason; the others go on, and the status is 1."""
    checks = (("first", lambda: str(1 // 0)), ("second", lambda: "fine"))
    monkeypatch.setattr("hv.cli.doctor.CHECKS", checks)
    done = run("doctor")
    assert done.status == 1
    assert [line.split(maxsplit=2) for line in done.out.splitlines()] == [
        ["FAIL", "first", "integer division or modulo by zero"],
        ["ok", "second", "fine"],
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb(run: Run, verb: str) -> None:
    """Every verb and every verb below it explains itself, each of its options included."""
    status, out, err = run(verb, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: thawvisor {verb} ")
    below = re.findall(r"^  ([a-z]+)  ", out.partition("Commands:")[2], re.MULTILINE)
    for text in [run(verb, sub, "-h").out for sub in below] or [out]:
        options = re.split(r"^  (?=-)", text.partition("Options:\n")[2], flags=re.MULTILINE)[1:]
        assert options
        for option in options:
            assert re.match(r"\S.*?(  |\n) *\w.*[.\]]\s*$", option, re.DOTALL), option


def test_help_is_quick() -> None:
    """`thawvisor --help` lists the verbs and imports none of them, nor what makes them slow."""
    code = f"""
import atexit, runpy, sys
heavy = {{"numpy", "numba", "unicorn", "rich", "msgspec", "hv.machine", "hv.cli.run"}}
atexit.register(lambda: print("imported:", sorted(heavy & set(sys.modules)), file=sys.stderr))
sys.argv = ["thawvisor", "--help"]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "imported: []\n"
    for verb, (_, line) in VERBS.items():
        assert f" {verb} {line} " in " ".join(done.stdout.split()) + " "


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("tha", {"thaw"}),
        ("run --balloon-s", {"--balloon-slot", "--balloon-stats-interval"}),
        ("dtb dump -k", {"-kernel"}),
    ],
)
def test_completion(run: Run, monkeypatch: pytest.MonkeyPatch, line: str, completed: set[str]) -> None:
    """The shell's completion knows verbs and options."""
    monkeypatch.setenv("_THAWVISOR_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"thawvisor {line}")
    monkeypatch.setenv("COMP_CWORD", str(len(line.split())))
    assert set(run().out.split()) == {f"plain,{word}" for word in completed}


def test_version(run: Run) -> None:
    """`--version` names the distribution and its version."""
    assert re.fullmatch(r"thawvisor, version [0-9.]+\n", run("--version").out)


def test_the_exit_status_is_the_guests(run: Run, tmp_path: Path) -> None:
    """A failure that the guest reports to the test finisher is our exit status, as far as one byte goes."""

    def status(code: int) -> int:
        # lui t0, %hi(value); addi t0, t0, %lo(value); lui t1, TEST; sw t0, 0(t1); j .
        value = code << 16 | board.FINISHER_FAIL
        words = (
            (value + 0x800 >> 12 & 0xFFFFF) << 12 | 0x2B7,
            (value & 0xFFF) << 20 | 0x28293,
            board.TEST.base | 0x337,
            0x00532023,
            0x0000006F,
        )
        (tmp_path / "firmware").write_bytes(struct.pack("<5I", *words))
        done = run("run", "-bios", tmp_path / "firmware")
        assert done.err.startswith("GUEST_FAULT at ")
        assert f": the guest reported failure {code}\n" in done.err
        return done.status

    assert [status(code) for code in (0, 7, 256)] == [1, 7, 255]


def test_demo_across_a_kept_disk(tmp_path: Path) -> None:
    """The story in small: status 0, a timeline, books, and the disk kept where it was asked for."""
    done = thawvisor("demo", "-m", "64M", "--touch", "4M", "--balloon", "8M", "--keep", tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[-1].startswith(
        "The books balance: 1024 touched pages (4 MiB) came back intact"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["swap.img"]


def test_a_demo_that_breaks_off() -> None:
    """A story that cannot be told to its end says why, and ends with status 1."""
    done = thawvisor("demo", "-m", "64M", "--touch", "60M", "--balloon", "4M", "--image", "host")
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[-1].startswith("finding (story): the guest's `touch 16384` failed: ENOMEM")


def test_ending_the_demo_ends_its_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at a terminal ends the story and the process that holds its machine, and leaves no files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with terminal("demo", "-m", "1G", "--touch", "600M") as screen:
        screen.expect("the guest is at its prompt")
        machines = _machines(screen)
        screen.type("\x03")
        assert screen.wait() == 128 + signal.SIGINT
        assert len(machines) == 1
        assert not machines[0].exists()
        assert not list(tmp_path.iterdir())
        assert "Traceback" not in screen.text


def _machines(screen: Terminal) -> list[Path]:
    """The processes that the command has started to hold a machine."""
    children = Path(f"/proc/{screen.process.pid}/task/{screen.process.pid}/children").read_text().split()
    processes = [Path("/proc", child) for child in children]
    return [process for process in processes if b"spawn_main" in (process / "cmdline").read_bytes()]
