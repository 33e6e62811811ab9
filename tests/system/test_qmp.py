"""A running machine, driven through QMP by the tools that were written for QEMU."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from qemu.qmp import EventListener, ExecuteError, QMPClient

from hv import board
from hv.qemu.qmp import Qmp
from hv.qmp.connection import OUTPUT_MAX
from hv.qmp.framing import MESSAGE_MAX
from hv.qmp.qom import BALLOON_PATH
from hv.qmp.server import CLIENTS_MAX
from tests.harness.guest import make_disk
from tests.harness.patience import PATIENCE_S
from tests.harness.running import Running, running
from tests.harness.terminal import SCRIPT, Terminal, thawvisor

RAM = 64 * board.MIB


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Running]:
    """A machine at its guest's prompt."""
    with running(tmp_path, "-m", "64M") as run:
        run.wait_for_prompt()
        yield run


async def next_event(listener: EventListener, name: str) -> dict[str, Any]:
    """Wait for an event by its name; return its data."""
    async for event in listener:
        if event["event"] == name:
            assert event["timestamp"].keys() == {"seconds", "microseconds"}
            return event.get("data", {})
    raise AssertionError(f"no {name}")


def drive(run: Running, script: Callable[[QMPClient, EventListener], Awaitable[None]]) -> None:
    """Connect QEMU's own client and let a script use it."""

    async def main() -> None:
        client = QMPClient("test")
        with client.listener() as events:
            await client.connect(str(run.socket))
            await asyncio.wait_for(script(client, events), PATIENCE_S)
            with suppress(EOFError):  # the machine has gone, and its server with it
                await client.disconnect()

    asyncio.run(main())


def test_qemus_client_drives_a_machine(guest: Running) -> None:
    """Balloon, pause, reset, power button: QEMU's asyncio client sees answers and events as from QEMU."""

    async def script(qmp: QMPClient, events: EventListener) -> None:
        names = {command["name"] for command in await qmp.execute("query-commands")}
        assert {"query-balloon", "balloon", "stop", "cont", "quit", "dump-guest-memory"} <= names
        assert await qmp.execute("query-balloon") == {"actual": RAM}
        await qmp.execute("balloon", {"value": RAM - 16 * board.MIB})
        while (await next_event(events, "BALLOON_CHANGE"))["actual"] != RAM - 16 * board.MIB:
            pass
        await qmp.execute("stop")
        await next_event(events, "STOP")
        assert (await qmp.execute("query-status"))["status"] == "paused"
        await qmp.execute("cont")
        await next_event(events, "RESUME")
        await qmp.execute("system_reset")
        assert await next_event(events, "RESET") == {"guest": False, "reason": "host-qmp-system-reset"}
        while (await next_event(events, "BALLOON_CHANGE"))["actual"] != RAM - 16 * board.MIB:
            pass  # the target is the host's, and stays
        with pytest.raises(ExecuteError) as refused:
            await qmp.execute("balloon", {"value": "much"})
        assert str(refused.value) == "Invalid parameter type for 'value', expected: integer"
        await qmp.execute("system_powerdown")
        await next_event(events, "POWERDOWN")
        assert await next_event(events, "SHUTDOWN") == {"guest": True, "reason": "guest-shutdown"}

    drive(guest, script)
    assert guest.finish() == (0, "")
    assert "Power Button pressed" in guest.console.read_text()
    assert not guest.socket.exists()


def test_qmp_shell_is_for_people(guest: Running) -> None:
    """QEMU's qmp-shell, at a terminal, sets the balloon and ends the machine."""
    shell = Path(sys.executable).with_name("qmp-shell")
    screen = Terminal(guest.socket, command=shell)
    try:
        screen.expect(r"^Connected to QEMU [0-9.]+$")
        screen.type(f"balloon value={48 << 20}\n")
        screen.expect(r'^\{"return": \{\}\}$')
        screen.type("query-status\n")
        screen.expect('"status": "running"')
        screen.type("quit\n")
        screen.expect(r'^\{"return": \{\}\}$')
        assert guest.finish() == (0, "")
    finally:
        screen.close()


def test_memory_as_an_elf_core(guest: Running, tmp_path: Path) -> None:
    """A dump is an ELF core with registers; a place where it must not be is refused, and nothing is there."""
    core = tmp_path / "guest.core"
    with closing(Qmp.connect(guest.socket)) as qmp:
        qmp.execute("dump-guest-memory", paging=False, protocol=f"file:{core}")
        assert qmp.wait_event("DUMP_COMPLETED")["result"]["status"] == "completed"
        for wrong in ("file:/nowhere/x", f"file:{tmp_path}", "fd:1", "file:\0"):
            with pytest.raises(Exception, match="dump-guest-memory"):
                qmp.execute("dump-guest-memory", paging=False, protocol=wrong)
        assert qmp.execute("query-status")["running"]
    with core.open("rb") as file:
        elf = ELFFile(file)
        assert elf.header.e_type == "ET_CORE"
        assert elf.header.e_machine == "EM_RISCV"


def test_clients_that_misbehave_do_not_matter(guest: Running) -> None:
    """Clients that hang, flood, never read or vanish: others are served, and the guest goes on."""
    with ExitStack() as stack:
        lines = [stack.enter_context(closing(socket.socket(socket.AF_UNIX))) for _ in range(CLIENTS_MAX - 1)]
        for line in lines:  # they say nothing, for ever
            line.settimeout(PATIENCE_S)
            line.connect(str(guest.socket))
        stack.enter_context(closing(Qmp.connect(guest.socket))).execute("query-status")
        deaf, long, deep, *_ = lines
        deaf.sendall(b'{"execute": "qmp_capabilities"}')
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            deaf.sendall(b'{"execute": "query-commands"}' * OUTPUT_MAX)
        long.sendall(b'{"a": "' + b"x" * MESSAGE_MAX)
        deep.sendall(b"[" * 1000)
        for line in (long, deep):
            said = b""
            while b'"class":"GenericError"' not in said:
                said += line.recv(1 << 16)
    with closing(Qmp.connect(guest.socket)) as qmp:
        qmp.execute("quit")
    assert guest.finish()[0] == 0


def test_balloon_verb(guest: Running) -> None:
    """`thawvisor balloon` sets and shows the balloon; what cannot be is one line."""
    done = thawvisor("balloon", guest.socket, "8M")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("target 2048 pages (8 MiB)\nactual ")
    guest.wait_for(lambda: "actual 2048 pages" in thawvisor("balloon", guest.socket).out, "the target")
    for arguments, says in (
        ((guest.socket, "64M"), "the machine has 16384; give a smaller SIZE"),
        ((guest.console,), "is a machine running with -qmp"),
        ((guest.socket.with_name("none"),), "No such file"),
    ):
        done = thawvisor("balloon", *arguments)
        assert done.status == 2
        assert says in done.err
        assert done.err.count("\n") == 1


def test_stats_verb(guest: Running) -> None:
    """`thawvisor stats` asks the guest anew, polls no longer than it must, and says why there is nothing."""
    first = json.loads(thawvisor("stats", "--json", guest.socket).out)
    assert 0 < first["available_memory"] <= first["free_memory"] <= first["total_memory"] < RAM
    thawvisor("balloon", guest.socket, "8M")
    guest.wait_for(lambda: "actual 2048 pages" in thawvisor("balloon", guest.socket).out, "the target")
    left = first["total_memory"] - 8 * board.MIB
    assert re.search(f"^total_memory +{left:,} bytes$", thawvisor("stats", guest.socket).out, re.MULTILINE)
    with closing(Qmp.connect(guest.socket)) as qmp:
        assert qmp.execute("qom-get", path=BALLOON_PATH, property="guest-stats-polling-interval") == 0
        qmp.execute("stop")
        done = thawvisor("stats", guest.socket)
    assert done.status == 1
    assert "the machine is paused" in done.err


def test_another_programs_socket_is_no_qmp_server(tmp_path: Path) -> None:
    """Who listens there and does not speak QMP is told from a machine."""
    place = tmp_path / "socket"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.settimeout(PATIENCE_S)
        server.bind(str(place))
        server.listen()
        verb = subprocess.Popen([SCRIPT, "balloon", place], stderr=subprocess.PIPE)
        line, _ = server.accept()
        with closing(line):
            line.sendall(b"220 mail.example ESMTP\r\n")
            _, err = verb.communicate(timeout=PATIENCE_S)
    assert verb.returncode == 2
    assert b"is not QMP" in err


@pytest.mark.parametrize("ending", ["quit", "crash"])
def test_a_recorded_run_can_be_done_again(tmp_path: Path, ending: str) -> None:
    """Keys, targets, a reset, a power button: a replay comes to the same RAM at the same virtual time."""
    disk, before = make_disk(tmp_path / "disk", 1 << 20), tmp_path / "before"
    before.write_bytes(disk.read_bytes())
    recording = tmp_path / "recording"
    with running(tmp_path, "-m", "64M", "--disk", disk, "--record", recording) as run:
        run.wait_for_prompt()
        run.type("touch 100")
        with closing(Qmp.connect(run.socket)) as qmp:
            qmp.execute("balloon", value=48 << 20)
            while qmp.execute("query-balloon")["actual"] != 48 << 20:
                pass
            qmp.execute("system_reset")
            qmp.wait_event("RESET")
            while qmp.execute("query-balloon")["actual"] != 48 << 20:
                pass
            qmp.execute("system_powerdown" if ending == "crash" else "quit")
        run.finish()
    done = thawvisor("replay", recording, "--disk", before)
    assert done.status == 0, done.err
    assert "the same end as recorded" in done.err
    assert done.out.strip() == run.console.read_text().strip()
    lines = recording.read_text().splitlines(keepends=True)
    recording.write_text("".join(line for line in lines if '"reset"' not in line))
    assert thawvisor("replay", recording, "--disk", before).status in (1, 2)


def test_a_guest_that_dies_is_recorded(tmp_path: Path) -> None:
    """A failing run prints the command that replays it, which fails in the same way."""
    recording = tmp_path / "recording"
    done = thawvisor("run", "-m", "64M", "--record", recording, typed="touch 1M\ncrash\n")
    assert done.status == 1
    command = re.search(r"`thawvisor (.*)` does it again", done.err)
    assert command is not None
    again = thawvisor(*command[1].split())
    assert again.status == 0
    assert "the same end as recorded" in again.err
    assert done.err.splitlines()[0] in again.err


def test_hibernation_is_told(tmp_path: Path) -> None:
    """A guest that hibernates to the platform: SUSPEND_DISK, and at SHUTDOWN its image is there."""
    image = tmp_path / "guest.s4"
    with running(tmp_path, "-m", "64M", "--host-image", image) as run:
        with closing(Qmp.connect(run.socket)) as qmp:
            run.type("hibernate platform")
            qmp.wait_event("SUSPEND_DISK")
            assert qmp.wait_event("SHUTDOWN") == {"guest": True, "reason": "guest-shutdown"}
            assert image.exists()
        assert run.finish()[0] == 0
