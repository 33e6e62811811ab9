"""The interactive console, in a terminal and in pipes, as a user sees it."""

import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.patience import PATIENCE_S
from tests.harness.terminal import SCRIPT, Terminal, terminal, thawvisor

CTRL_A, CTRL_C, CTRL_U, BACKSPACE = "\x01", "\x03", "\x15", "\x7f"


def uptime(screen: Terminal) -> float:
    """Ask the guest how long it has been up, in seconds."""
    match = re.search(r"^uptime ([0-9.]+)$", screen.command("uptime"), re.MULTILINE)
    assert match is not None
    return float(match[1])


def test_a_session_at_a_terminal() -> None:
    """Keys reach the guest raw, Ctrl-A is the one we keep, Ctrl-A X leaves the terminal as it was."""
    with terminal("run") as screen:
        screen.type("help\r")  # ahead: before there is a guest
        screen.expect("Ctrl-A X leaves\n")
        screen.expect("^poweroff")
        screen.expect("^thaw:0> ")
        assert not screen.restored
        screen.type(f"men{BACKSPACE}m{CTRL_C}\r")
        screen.expect("^totalram_pages [0-9]+$")
        screen.type(f"garbage{CTRL_U}ps\r")
        screen.expect("^pid ")
        screen.expect("^thaw:0> ")
        screen.type(f"{CTRL_A}h")
        screen.expect("^Ctrl-A X leaves, Ctrl-A Ctrl-A sends Ctrl-A$")
        screen.type(
            f"{CTRL_A}{CTRL_A}x\r"
        )  # the guest's line editor ignores Ctrl-A, so this is the command x
        screen.expect("^x: unknown command")
        screen.expect("^thaw:-2> ")
        screen.type(f"{CTRL_A}x")
        assert screen.wait() == 0
        assert screen.restored


def test_time_goes_on_while_the_guest_idles() -> None:
    """An idle guest's clock follows the wall's, waiting and sleeping alike, and costs no CPU."""
    with terminal("run") as screen:
        screen.expect("^thaw:0> ")
        before, cpu = uptime(screen), screen.cpu_s()
        assert screen.quiet_for(0.4)
        waited = uptime(screen)
        assert 0.4 <= waited - before < PATIENCE_S
        screen.command("sleep 400")
        assert uptime(screen) - waited >= 0.4
        assert screen.cpu_s() - cpu < 0.4  # of 0.8 s, on a host where everything takes longer


def test_reboot_boots_again() -> None:
    """A reset is a new machine on the same terminal."""
    with terminal("run", "-m", "32M") as screen:
        screen.expect("^thaw:0> ")
        assert "touched_pages 100\n" in screen.command("touch 100")
        screen.type("reboot\r")
        screen.expect("toy kernel")
        screen.expect("^thaw:0> ")
        assert "touched_pages 0\n" in screen.command("mem")
        screen.type("poweroff\r")
        assert screen.wait() == 0
        assert screen.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_restores_the_terminal(number: signal.Signals) -> None:
    """A session that is ended from outside, here while its guest is busy, leaves the terminal as it was."""
    with terminal("run") as screen:
        screen.expect("^thaw:0> ")
        screen.type("touch 100M\r")
        screen.expect("touch 100M$")
        screen.process.send_signal(number)
        assert screen.wait() == 128 + number
        assert screen.restored
        assert "Traceback" not in screen.text


def test_ctrl_c_ends_a_guest_in_a_pipe(tmp_path: Path) -> None:
    """Without a terminal in raw mode SIGINT is for us: it ends a busy guest at once, whatever it does."""
    command = [str(SCRIPT), "hibernate", "-m", "1G", "--type", "touch 900M", str(tmp_path / "image")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    while not process.stdout.readline().startswith(b"thaw:0> touch"):
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGINT
    assert err.strip() == b""
    assert not list(tmp_path.iterdir())


def test_piped_commands() -> None:
    """A script in a pipe is typed as it is; a power-off in it ends with status 0 and no word of ours."""
    done = thawvisor("run", "-m", "64", typed="mem\npoweroff\n")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines.index("thaw:0> mem") < lines.index("touched_pages 0") < lines.index("thaw:0> poweroff")
    assert lines[-1].endswith("reboot: Power down")


@pytest.mark.parametrize("shell", ["</dev/null", "<&-"])
def test_no_input_at_all(shell: str) -> None:
    """Without input the guest boots to its prompt, and when it waits for more, the command ends."""
    done = thawvisor("run", shell=shell)
    assert (done.status, done.err) == (0, "")
    assert done.out.endswith("\nthaw:0> ")


@pytest.mark.parametrize("death", ["crash", "panic"])
def test_a_dead_guest(death: str) -> None:
    """A guest that dies: status 1, registers and a backtrace down to the shell's command on stderr."""
    done = thawvisor("run", typed=f"{death}\n")
    assert done.status == 1
    assert "Kernel panic: " in done.out
    first, *rest = done.err.splitlines()
    assert re.fullmatch(r"GUEST_FAULT at [0-9.]+ ms of virtual time: the guest reported failure 1", first)
    assert any(re.search(r"\bpc [0-9a-f]{16} .*\bra [0-9a-f]{16}", line) for line in rest)
    trace = rest[rest.index("Call trace:") :]
    names = ["finisher_fail+", "trap_entry+", "panic+", f"cmd_{death}+", "shell_main+"]
    found = [next(i for i, line in enumerate(trace) if f" {name}" in line) for name in names]
    assert found == sorted(found)
    assert "guest/shell/commands.c:" in trace[found[3]]


def test_the_reader_goes_away() -> None:
    """`thawvisor run | head -1` ends the guest quietly when nobody reads any more."""
    with subprocess.Popen(
        [SCRIPT, "run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"console" in process.stdout.readline()
        process.stdout.close()
        with suppress(BrokenPipeError):  # it may have printed more in the meantime, and ended
            process.stdin.write(b"dmesg\n" * 100)
            process.stdin.close()
        assert process.wait(PATIENCE_S) == 1
        assert process.stderr.read() == b""


def test_output_that_cannot_be_written() -> None:
    """A full disk under the console's output is one line, and status 2."""
    done = thawvisor("run", shell=">/dev/full")
    assert done == (2, "", "thawvisor: standard output: No space left on device; send it elsewhere\n")


def test_sleep_and_wake_across_processes(tmp_path: Path) -> None:
    """`hibernate platform` ends `run` with RAM in the host image; `thaw` goes on, and sleeps there again."""
    image = tmp_path / "guest.s4"
    with terminal("run", "-m", "64", "--host-image", image) as screen:
        screen.expect("^thaw:0> ")
        fingerprint = screen.command("touch 8M").split()[-1]
        screen.type("hibernate platform\r")
        screen.expect(f"thawvisor: RAM is in {re.escape(str(image))}; ")
        assert screen.wait() == 0
        assert screen.restored
    first = image.read_bytes()
    slept = thawvisor("thaw", image, typed="verify\nhibernate platform\n")
    assert slept.status == 0
    assert image.read_bytes() != first
    woke = thawvisor("thaw", image, "-m", "64M", typed="verify\nreboot\n")
    assert woke.status == 0
    assert woke.out.count("toy kernel") == 1  # after the reboot, which makes a fresh machine
    for done in (slept, woke):
        answer = done.out.partition("thaw:0> verify\n")[2].splitlines()[:3]
        assert answer == ["touched_pages 2048", f"fingerprint {fingerprint}", "bad_pages 0"]


def test_no_place_for_a_host_image() -> None:
    """Without --host-image the platform does not offer to keep RAM: the guest is told, and lives on."""
    done = thawvisor("run", typed="touch 1M\nhibernate platform\nverify\npoweroff\n")
    assert done.status == 0
    assert "thaw:-95> verify\n" in done.out
    assert "bad_pages 0\n" in done.out
