"""The hart as its owner uses it: devices, stops, waiting, breakpoints, registers, saved state."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.state import StateError
from hv.cpu import HartStop
from hv.cpu.riscv import M_MODE, MEIP, STIP
from hv.cpu.state import MASK64
from hv.errors import HostError
from tests.unit.cpu.board import SECOND, Board, Image

PROBE = 0x2000_0000
PROBE_SIZE = 0x40


class Probe:
    """A device that remembers its accesses and answers with what was written."""

    size = PROBE_SIZE

    def __init__(self) -> None:
        self.log: list[tuple[str, int, int, int]] = []
        self.cells = bytearray(PROBE_SIZE)
        self.on_write: Callable[[int], None] = lambda _value: None

    def read(self, offset: int, size: int) -> int:
        """Read cells."""
        value = int.from_bytes(self.cells[offset : offset + size], "little")
        self.log.append(("read", offset, size, value))
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """Write cells."""
        self.log.append(("write", offset, size, value))
        self.cells[offset : offset + size] = value.to_bytes(size, "little")
        self.on_write(value)


@pytest.fixture
def probe() -> Probe:
    """The device at PROBE."""
    return Probe()


@pytest.fixture
def probed(boot: Callable[..., Board], probe: Probe) -> Callable[[str], Board]:
    """Make boards with the probe."""
    return lambda program: boot(program, [(PROBE, PROBE_SIZE, probe)])


def test_a_device_sees_each_access_once_with_its_size(probed: Callable[[str], Board], probe: Probe) -> None:
    """Bytes, halves and words come as they are, doubles as two words, none from behind the end."""
    text = probed("accesses").finish()
    values = ["11", "2222", "33333333", "4444444455555555", "66667777", "0", "0"]
    assert [line.split(" = ")[1] for line in text.splitlines()] == values
    aligned = [access for access in probe.log if access[0] == "write" and access[1] < 0x16]
    assert aligned == [
        ("write", 1, 1, 0x11),
        ("write", 2, 2, 0x2222),
        ("write", 4, 4, 0x3333_3333),
        ("write", 8, 4, 0x5555_5555),
        ("write", 12, 4, 0x4444_4444),
    ]
    assert ("read", 0x20, 4, 0) in probe.log
    assert ("write", 0x20, 4, 1) in probe.log
    assert all(offset + size <= PROBE_SIZE for _, offset, size, _ in probe.log)


def test_a_stop_request_lets_the_block_end(probed: Callable[[str], Board], probe: Probe) -> None:
    """After a stop in an access the rest of its block has run, and running on repeats nothing."""
    board = probed("stops")
    probe.on_write = lambda _value: board.hart.request_stop()
    assert board.run() is HartStop.REQUESTED
    assert [access[1] for access in probe.log] == [0, 4]
    assert board.run() is HartStop.REQUESTED
    assert board.text == "counted = 2\n"
    assert [access[1] for access in probe.log] == [0, 4, 8]
    # The second stop was in front of a wfi, in which the hart now waits.
    assert board.run() is HartStop.IDLE
    board.hart.set_pending(MEIP, True)
    assert board.finish() == "counted = 2\nwoken\n"


def test_what_a_device_raises_comes_out_of_run(probed: Callable[[str], Board], probe: Probe) -> None:
    """An exception in a device is the host's bug: the hart stops, run raises it, and can go on after it."""
    board = probed("stops")

    def fail(_value: int) -> None:
        probe.on_write = lambda _value: None
        raise ZeroDivisionError("bug")

    probe.on_write = fail
    with pytest.raises(ZeroDivisionError, match="bug"):
        board.run()
    assert board.run() is HartStop.IDLE
    assert board.text == "counted = 2\n"
    assert [access[1] for access in probe.log] == [0, 4, 8]


def test_devices_in_one_page_are_refused(boot: Callable[..., Board], probe: Probe) -> None:
    """Unicorn maps whole pages, so two devices in one page are an error that names both."""
    with pytest.raises(HostError, match=r"0x20000000 and 0x20000040"):
        boot("stops", [(PROBE, PROBE_SIZE, probe), (PROBE + PROBE_SIZE, PROBE_SIZE, probe)])


def test_a_waiting_hart_wakes_for_input_at_its_time(boot: Callable[[str], Board]) -> None:
    """IDLE keeps the clock; advance brings it to the time of an event, which is handled from there on."""
    board = boot("echo")
    assert board.run(SECOND) is HartStop.IDLE
    assert board.hart.now_ns < SECOND
    board.hart.advance(SECOND)
    assert board.hart.now_ns == SECOND
    board.uart.receive(b"hi")
    assert board.run(2 * SECOND) is HartStop.IDLE
    assert board.text == "hi"
    assert SECOND < board.hart.now_ns < SECOND + 1_000_000


def test_only_a_waiting_hart_lets_time_pass(boot: Callable[[str], Board]) -> None:
    """Time of a hart that executes cannot be set."""
    with pytest.raises(ValueError, match="not waiting"):
        boot("busy").hart.advance(SECOND)


def test_a_budget_ends_exactly_in_a_wait(boot: Callable[[str], Board]) -> None:
    """A hart that waits for its timer when the budget is over has its clock at the budget's end."""
    board = boot("echo")
    assert board.run() is HartStop.IDLE
    board.hart.pc = board.hart.pc - 4
    board.hart.set_mtimecmp(board.hart.mtime() + 1000)
    board.hart.write_csr("mie", 1 << 7)
    until = board.hart.now_ns + 12_345
    assert board.run(until) is HartStop.BUDGET
    assert board.hart.now_ns == until


def test_settings_that_the_guest_changes(boot: Callable[[str], Board]) -> None:
    """Sv48 and Sv57 leave satp alone, PMP has 8 regions, mtime can be set, the counters go together."""
    values = dict(line.split(" = ") for line in boot("settings").finish().splitlines())
    assert values == {
        "satp after Sv48": "0",
        "satp after Sv39": "8000000000001234",
        "satp after Sv57": "8000000000001234",
        "the eighth and ninth region": "12340000",
        "mtime after a write": "123456789abc",
        "cycle and instret go on together": "1",
    }


def test_a_breakpoint_stops_before_its_instruction(boot: Callable[[str], Board]) -> None:
    """Each arrival stops with pc there and the instruction not run; going on steps over it."""
    board = boot("loops")
    at = board.image.symbols["loop_middle"]
    board.hart.add_breakpoint(at)
    for count in (5, 4, 3, 2, 1):
        assert board.run() is HartStop.BREAK
        assert (board.hart.pc, board.hart.x(5)) == (at, count)
    assert board.finish() == "sum = f\n"


def test_breakpoints_come_and_go(boot: Callable[[str], Board]) -> None:
    """Two in one block both stop; what is taken away and put back at the same stop stops the next time."""
    board = boot("loops")
    top, middle = board.image.symbols["loop_top"], board.image.symbols["loop_middle"]
    board.hart.add_breakpoint(top)
    board.hart.add_breakpoint(middle)
    stops = []
    for _ in range(4):
        assert board.run() is HartStop.BREAK
        stops.append(board.hart.pc)
    assert stops == [top, middle, top, middle]
    board.hart.remove_breakpoint(top)
    board.hart.remove_breakpoint(middle)
    board.hart.add_breakpoint(middle)
    assert board.run() is HartStop.BREAK
    assert (board.hart.pc, board.hart.x(5)) == (middle, 3)
    board.hart.remove_breakpoint(middle)
    assert board.finish() == "sum = f\n"


def test_breakpoints_take_no_time(boot: Callable[[str], Board]) -> None:
    """A run with breakpoints in a computation ends at the same clock and RAM as one without."""
    plain, stopped = boot("mixed"), boot("mixed")
    stopped.hart.add_breakpoint(stopped.image.symbols["mixed"])
    stopped.hart.add_breakpoint(stopped.image.symbols["report"] + 2)
    assert stopped.run() is HartStop.BREAK
    assert stopped.run() is HartStop.BREAK
    assert stopped.finish() == plain.finish()
    assert (stopped.hart.now_ns, stopped.digest()) == (plain.hart.now_ns, plain.digest())


def test_registers_after_reset(boot: Callable[[str], Board]) -> None:
    """A reset hart is in M-mode with the FPU off, every register 0 but those given, whatever ran before."""
    board = boot("traps")
    board.finish()
    board.hart.reset(0x8000_1234, 1, 2, 3)
    expected = {"pc": 0x8000_1234, "a0": 1, "a1": 2, "a2": 3, "priv": M_MODE}
    registers = board.hart.regs()
    assert {name: value for name, value in registers.items() if value} == expected
    assert (board.hart.now_ns, board.hart.mtime(), board.hart.mtimecmp()) == (0, 0, MASK64)
    assert board.hart.csr("misa") == 0x8000_0000_0014_112D
    assert board.hart.csr("pmpcfg0") == board.hart.csr("pmpaddr0") == 0


def test_only_wires_can_be_driven(boot: Callable[[str], Board]) -> None:
    """The timer's interrupt is the hart's own and STIP is software's."""
    with pytest.raises(ValueError, match="not a wire"):
        boot("sleep").hart.set_pending(STIP, True)


def paths(state: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a saved state."""
    if isinstance(state, dict | list):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return [leaf for key, value in items for leaf in paths(value, (*path, key))]
    return [path]


def replaced(state: Any, path: tuple[Any, ...], value: object) -> Any:
    """Return a copy of a saved state with one value replaced."""
    if not path:
        return value
    copy = dict(state) if isinstance(state, dict) else list(state)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


@given(data=st.data())
def test_a_bad_saved_state_is_refused_by_name(image: Image, data: st.DataObject) -> None:
    """A field of the wrong kind or range is refused with its name, and the hart stays as it was."""
    with Board(image, "busy") as board:
        board.run(1_000_000)
        saved = board.hart.save()
        path = data.draw(st.sampled_from(paths(saved)))
        bad: object = data.draw(st.sampled_from([None, -1, 1 << 64, "x", 1.5, [], {}]))
        with pytest.raises(StateError, match=str(path[0])):
            board.hart.restore(replaced(saved, path, bad))
        assert board.hart.save() == saved


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        (("registers", "priv"), 2),
        (("registers", "x", 0), 1),
        (("registers", "mip"), 1),
        (("registers", "csr", "satp"), 9 << 60),
        (("registers", "csr", "mideleg"), MASK64),
        (("registers", "csr", "mtvec"), 3),
    ],
)
def test_a_state_that_no_hart_has_is_refused(
    boot: Callable[[str], Board], path: tuple[Any, ...], bad: int
) -> None:
    """Modes, interrupts and CSR values that this hart cannot hold are refused by name."""
    board = boot("busy")
    with pytest.raises(StateError, match=str(path[-1])):
        board.hart.restore(replaced(board.hart.save(), path, bad))
