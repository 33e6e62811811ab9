"""Guests that die, and guests that only look dead."""

from collections.abc import Callable

import pytest

from hv import board as places
from hv.cpu import HartStop
from hv.cpu.riscv import (
    FETCH_ACCESS_FAULT,
    FETCH_PAGE_FAULT,
    INTERRUPT_CAUSE,
    LOAD_ACCESS_FAULT,
    LOAD_PAGE_FAULT,
    M_MODE,
    MSIP,
    S_MODE,
    STORE_ACCESS_FAULT,
    STORE_PAGE_FAULT,
)
from tests.unit.cpu.board import SECOND, Board

NOTHING = 0x20_0000
M_ECALL = 11


@pytest.mark.parametrize(
    ("program", "cause", "tval", "priv", "handler_cause"),
    [
        ("die_without_handler", STORE_ACCESS_FAULT, NOTHING, M_MODE, FETCH_ACCESS_FAULT),
        ("die_in_nowhere", FETCH_ACCESS_FAULT, NOTHING, M_MODE, FETCH_ACCESS_FAULT),
        ("die_in_device", FETCH_ACCESS_FAULT, places.UART.base, M_MODE, FETCH_ACCESS_FAULT),
        ("die_in_handler", M_ECALL, 0, M_MODE, LOAD_ACCESS_FAULT),
        ("die_of_stack_overflow", STORE_PAGE_FAULT, 0x4000_0FF8, S_MODE, STORE_ACCESS_FAULT),
        ("die_unmapped", LOAD_PAGE_FAULT, None, S_MODE, FETCH_PAGE_FAULT),
        ("die_of_interrupt", INTERRUPT_CAUSE | MSIP, 0, M_MODE, FETCH_ACCESS_FAULT),
    ],
)
def test_a_guest_that_dies_ends_the_run(
    boot: Callable[[str], Board], program: str, cause: int, tval: int | None, priv: int, handler_cause: int
) -> None:
    """A trap handler that cannot run ends in FAULT with the first cause and what the handler dies of."""
    board = boot(program)
    assert board.run() is HartStop.FAULT
    fault = board.hart.fault
    assert fault is not None
    assert (fault.cause, fault.priv, fault.handler_cause) == (cause, priv, handler_cause)
    assert tval is None or fault.tval == tval
    assert f"{fault.pc:#x}" in str(fault)


def test_a_dead_guest_stays_dead(boot: Callable[[str], Board]) -> None:
    """Running on after FAULT says the same again, and a reset brings the hart back to life."""
    board = boot("die_in_nowhere")
    assert board.run() is HartStop.FAULT
    fault = board.hart.fault
    assert board.run() is HartStop.FAULT
    assert board.hart.fault == fault
    board.poke("selected_program", board.image.symbols["survive"])
    board.hart.reset(board.image.symbols["_start"], 0, 0, 0)
    assert board.finish() == "count = 1388\n"
    assert board.hart.fault is None


def test_a_cold_hart_without_code_is_dead(boot: Callable[[str], Board]) -> None:
    """Started where there is no memory, a hart ends in FAULT at once."""
    board = boot("sleep")
    board.hart.reset(NOTHING, 0, 0, 0)
    assert board.run() is HartStop.FAULT
    assert board.hart.now_ns == 0


def test_many_traps_from_one_place_are_no_fault(boot: Callable[[str], Board]) -> None:
    """A handler that is used 5,000 times from the same instruction, and returns each time, is alive."""
    assert boot("survive").finish() == "count = 1388\n"


def test_a_guest_that_sleeps_is_not_dead(boot: Callable[[str], Board]) -> None:
    """A wfi with nothing to wait for is IDLE, with the clock where it was, however often it is run."""
    board = boot("sleep")
    assert board.run() is HartStop.IDLE
    now = board.hart.now_ns
    assert board.run(2 * SECOND) is HartStop.IDLE
    assert board.hart.now_ns == now
