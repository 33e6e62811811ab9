"""Sv39 from outside: what is mapped where."""

from hypothesis import given
from hypothesis import strategies as st

from devices.memory import GuestMemory
from hv.cpu.sv39 import SATP_MODE_SV39, kernel_mappings, translate

BASE = 0x8000_0000
TABLES = 4
UPPER = 0xFFFF_FFC0_0000_0000

ENTRY = st.one_of(
    st.builds(
        lambda table: (BASE + table * 4096) >> 2 | 1, st.integers(0, TABLES)
    ),  # a table, or outside RAM
    st.builds(
        lambda page, rights: page << 10 | rights, st.integers(0, 1 << 20), st.sampled_from([0, 3, 7, 11, 15])
    ),
)


@given(
    entries=st.lists(st.tuples(st.integers(0, TABLES - 1), st.integers(0, 511), ENTRY), max_size=40),
    mode=st.sampled_from([0, SATP_MODE_SV39]),
)
def test_mappings_are_what_a_walk_finds(entries: list[tuple[int, int, int]], mode: int) -> None:
    """Each piece translates as it says at both ends; pieces ascend and do not touch; loops end."""
    memory = GuestMemory.allocate(BASE, TABLES * 4096)
    for table, index, entry in entries:
        memory.write(BASE + table * 4096 + 8 * index, entry.to_bytes(8, "little"))
    satp = mode << 60 | BASE >> 12
    pieces = list(kernel_mappings(satp, memory.read, tables=600))
    if mode == 0:
        assert pieces == []
    behind = UPPER
    for virtual, physical, size in pieces:
        assert virtual >= behind
        behind = virtual + size
        for offset in (0, size - 1):
            assert translate(satp, virtual + offset, memory.read) == physical + offset
    for _, index, _ in entries:
        address = UPPER + (index & 0xFF) * (1 << 30)
        mapped = translate(satp, address, memory.read) if mode else None
        inside = any(virtual <= address < virtual + size for virtual, _, size in pieces)
        assert inside == (mapped is not None)


def test_a_maze_of_tables_ends() -> None:
    """Tables that all point to each other are given up after as many as the caller allows."""
    memory = GuestMemory.allocate(BASE, 4096)
    for index in range(512):
        memory.write(BASE + 8 * index, (BASE >> 2 | 1).to_bytes(8, "little"))
    assert list(kernel_mappings(SATP_MODE_SV39 << 60 | BASE >> 12, memory.read)) == []
