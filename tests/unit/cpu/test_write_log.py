"""The log of writes: it has every page that the guest wrote to since, and the guest does not notice."""

from devices.memory import PAGE_SIZE
from hv import board as virt
from hv.config import MachineConfig
from hv.machine import Machine
from hv.shell import GuestShell
from tests.unit.cpu.board import Board, Image

STEP_NS = 400_000


def test_every_page_that_changes_is_in_the_log(image: Image) -> None:
    """However often the log begins anew, no changed page is missing, and untouched ones are not in it."""
    with Board(image, "busy") as board, Board(image, "busy") as plain:
        board.uart.receive(b"abc")
        plain.uart.receive(b"abc")
        log, pages = board.memory.writes, board.memory.ram.reshape(-1, PAGE_SIZE)
        for step in range(1, 40):
            before = pages.copy()
            log.start()
            board.run(step * STEP_NS)
            changed = (pages != before).any(axis=1)
            assert changed.any()
            assert not (changed & ~log.pages).any()
            assert int(log.pages.sum()) < len(pages) // 4
        plain.run(39 * STEP_NS)
        assert board.digest() == plain.digest()
        log.stop()
        board.run(41 * STEP_NS)
        assert not log.pages.any()


def test_a_kernel_with_paging_does_not_notice() -> None:
    """The pages that a kernel fills are in the log, and its clock and its memory are as without one."""
    outcomes = []
    for logging in (True, False):
        with Machine(MachineConfig(ram=virt.RAM_MIN)) as machine:
            shell = GuestShell(machine)
            shell.wait_for_prompt()
            log, pages = machine.memory.writes, machine.memory.ram.reshape(-1, PAGE_SIZE)
            before = pages.copy()
            if logging:
                log.start()
            assert shell.command("touch 200").number("touched_pages") == 200
            changed = (pages != before).any(axis=1)
            assert not logging or not (changed & ~log.pages).any()
            assert 200 <= int(changed.sum()) <= int(log.pages.sum()) < 300 or not logging
            outcomes.append((machine.now_ns, machine.ram_sha256()))
    assert outcomes[0] == outcomes[1]
