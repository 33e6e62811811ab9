"""Code that the host changes under a guest: what runs afterwards is what is there, here and on QEMU."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from hv import board
from hv.config import MachineConfig
from hv.cpu import HartStop
from hv.machine import Machine
from hv.qemu.stopped import GdbStub
from tests.harness.console import SerialConsole
from tests.harness.qemu_process import QemuProcess
from tests.unit.cpu.board import RAM, Board, Image

SLICE = 1_000_000
"""Virtual ns that are enough for a round."""


def rounds(image: Image) -> Iterator[tuple[tuple[int, bytes], tuple[int, bytes]]]:
    """Yield what the host writes after the program has printed 1, 2 and so on: new code, and the round."""
    for number in count(1):
        load_immediate = 0x0000_0513 | number + 1 << 20
        yield (
            (image.symbols["rewritten"], load_immediate.to_bytes(4, "little")),
            (image.symbols["rounds"], number.to_bytes(8, "little")),
        )


def test_the_host_can_rewrite_code(boot: Callable[[str], Board]) -> None:
    """Code written into RAM from outside runs after a fence.i, although the old code was translated."""
    board = boot("host_writes")
    for writes, printed in zip(rounds(board.image), ("1", "12", "123", "1234", "12345"), strict=False):
        assert board.run(board.hart.now_ns + SLICE) is HartStop.BUDGET
        assert board.text == printed
        for address, data in writes:
            board.memory.write(address, data)
    assert board.finish() == "12345"


@pytest.mark.peers
def test_the_host_can_rewrite_code_on_qemu(image: Image) -> None:
    """QEMU's guest prints the same when the same is written at the same moments by its gdb stub."""
    select = f"loader,addr={image.symbols['selected_program']},data={image.symbols['host_writes']},data-len=8"
    arguments = ("-S", "-bios", "none", "-kernel", str(image.path), "-device", select)
    arguments += ("-m", f"{RAM // board.MIB}M", "-gdb", "chardev:gdb", "-serial", "chardev:serial")
    with QemuProcess(arguments, ["gdb", "serial"]) as qemu:
        stub, serial = GdbStub(qemu.sockets["gdb"]), SerialConsole(qemu.sockets["serial"])
        for writes, printed in zip(rounds(image), "12345", strict=False):
            qemu.qmp.execute("cont")
            serial.expect(printed)
            qemu.qmp.execute("stop")
            for address, data in writes:
                stub.write_ram(address, data)
        qemu.qmp.execute("cont")
        serial.wait_closed()
        assert serial.text == "12345"


def test_a_rewound_machine_runs_the_code_of_then(image: Image) -> None:
    """What was translated in a fork's time is gone when the fork goes back to where RAM had other code."""
    config = MachineConfig(ram=board.RAM_MIN, bios=image.path)
    with Machine(config) as machine:
        machine.memory.write(
            image.symbols["selected_program"], image.symbols["host_writes"].to_bytes(8, "little")
        )
        machine.run(machine.now_ns + SLICE)
        assert machine.console.text() == "1"
        with machine.fork() as fork:
            code, over = next(rounds(image))
            for address, data in (code, over):
                fork.memory.write(address, data)
            fork.run(fork.now_ns + SLICE)
            assert fork.console.text() == "12"
            fork.rewind()
            fork.memory.write(*over)
            fork.run(fork.now_ns + SLICE)
            assert fork.console.text() == "11"
