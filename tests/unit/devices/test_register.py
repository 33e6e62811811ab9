"""Register tables: which accesses reach a device, and with which values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.register import Register, RegisterDevice

WORD = st.integers(0, (1 << 32) - 1)


class Sample(RegisterDevice):
    """A device with one register of each kind; the value of PAIR decides which bytes of it were reached."""

    def __init__(self, *extra: Register) -> None:
        super().__init__(
            0x100,
            (
                Register(0x00, "COUNTER", "r"),
                Register(0x00, "COMMAND", "w"),
                Register(0x08, "PAIR", width=8),
                Register(0x10, "BYTE", "rw", 1, (1, 4)),
                Register(0x20, "GRID", repeat=((2, 0x20), (3, 4))),
                *extra,
            ),
        )
        self.commands: list[int] = []
        self.pair = 0
        self.byte = 0
        self.grid: dict[tuple[int, int], int] = {}

    def read_counter(self) -> int:
        """Return a constant."""
        return 0x11223344

    def write_command(self, value: int) -> None:
        """Remember the value."""
        self.commands.append(value)

    def read_pair(self) -> int:
        """Return the 64-bit value."""
        return self.pair

    def write_pair(self, value: int) -> None:
        """Set the 64-bit value."""
        self.pair = value

    def read_byte(self) -> int:
        """Return the byte."""
        return self.byte

    def write_byte(self, value: int) -> None:
        """Set the byte."""
        self.byte = value

    def read_grid(self, row: int, column: int) -> int:
        """Return one cell."""
        return self.grid.get((row, column), 0)

    def write_grid(self, row: int, column: int, value: int) -> None:
        """Set one cell."""
        self.grid[row, column] = value


def test_read_and_write_rows_share_an_offset() -> None:
    """A load goes to the row that is read, a store to the row that is written."""
    device = Sample()
    device.write(0, 4, 7)
    assert device.read(0, 4) == 0x11223344
    assert device.commands == [7]


@given(low=WORD, high=WORD)
def test_halves_make_up_a_register_of_eight_bytes(low: int, high: int) -> None:
    """Two stores of 4 bytes and one of 8 leave the same value, and either half can be loaded."""
    whole, halves = Sample(), Sample()
    whole.write(0x08, 8, high << 32 | low)
    halves.write(0x0C, 4, high)
    halves.write(0x08, 4, low)
    assert whole.pair == halves.pair == high << 32 | low
    assert (whole.read(0x08, 4), whole.read(0x0C, 4), whole.read(0x08, 8)) == (low, high, whole.pair)


def test_a_store_wider_than_its_register_loses_the_upper_bytes() -> None:
    """A byte register that allows wide stores keeps the low byte and loads it with zeros above."""
    device = Sample()
    device.write(0x10, 4, 0xAABBCCDD)
    assert device.read(0x10, 1) == device.read(0x10, 4) == 0xDD


def test_every_copy_of_a_repeated_register_is_its_own() -> None:
    """Row and column of a repeated register reach the device as indexes, row first."""
    device = Sample()
    for row in range(2):
        for column in range(3):
            device.write(0x20 + 0x20 * row + 4 * column, 4, 10 * row + column)
    assert device.grid == {(row, column): 10 * row + column for row in range(2) for column in range(3)}
    assert device.read(0x44, 4) == 11


@given(offset=st.integers(0, 0x200), size=st.sampled_from((1, 2, 4, 8)), value=st.integers(0, (1 << 64) - 1))
def test_what_no_row_defines_reads_zero_and_writes_nothing(offset: int, size: int, value: int) -> None:
    """An access that matches no row in offset and size changes nothing and reads 0."""
    defined = {(0, 4), (8, 4), (8, 8), (0xC, 4), (0x10, 1), (0x10, 4)}
    defined |= {(0x20 + 0x20 * row + 4 * column, 4) for row in range(2) for column in range(3)}
    device = Sample()
    device.pair = device.byte = 0x55
    before = dict(vars(device), commands=[], grid={})
    if (offset, size) not in defined:
        device.write(offset, size, value)
        assert device.read(offset, size) == 0
        assert vars(device) == before


def test_a_table_with_a_conflict_is_refused() -> None:
    """Two rows for one access, and a row without its method, are mistakes of the device's author."""
    with pytest.raises(ValueError, match=r"two registers answer 4 bytes at 0xc"):
        Sample(Register(0x0C, "COUNTER", "r"))
    with pytest.raises(AttributeError, match="read_nothing"):
        Sample(Register(0x80, "NOTHING"))
