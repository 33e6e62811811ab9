"""The ring kernels against an independent oracle, on sound and on hostile rings."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.virtio import kernels
from tests.kernels import rings
from tests.kernels.bench import Bench
from tests.kernels.oracle import Layout, passes
from tests.kernels.rings import BASE, RAM_BYTES

CODES = set(range(kernels.INDIRECT_OUTSIDE_RAM, 1))


def run_rings(first: int, count: int) -> set[int]:
    """Run rings by seed, and return how they ended; a failure names the seed that replays it."""
    endings = set()
    for seed in range(first, first + count):
        try:
            endings.add(Bench(*rings.make(seed), seed).run())
        except Exception as error:
            raise AssertionError(f"replay: Bench(*rings.make({seed}), {seed}).run()") from error
    return endings


def test_hostile_rings_agree_with_the_oracle_and_stay_in_ram() -> None:
    """Every ring ends as the oracle says, with equal RAM and intact guards, and each fault is among them."""
    assert run_rings(0, 2000) == CODES


@pytest.mark.campaign
@pytest.mark.parametrize("part", range(10))
def test_campaign_of_hostile_rings(part: int) -> None:
    """The same for 100,000 rings that the default suite does not see."""
    assert run_rings(1_000_000 + 10_000 * part, 10_000) == CODES


addresses = st.one_of(
    st.integers(BASE, BASE + RAM_BYTES),
    st.sampled_from((0, BASE - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - BASE)),
)
lengths = st.one_of(st.integers(0, 64), st.sampled_from((RAM_BYTES, 0x8000_0000, 0xFFFF_FFFF)))
flags = st.one_of(st.integers(0, 7), st.integers(0, 0xFFFF))
entries = st.tuples(addresses, lengths, flags, st.integers(0, 8))


@st.composite
def any_ring(draw: st.DrawFn) -> tuple[bytearray, Layout]:
    """Draw a ring field by field, with one indirect table, so that a failure shrinks to what matters."""
    size = draw(st.sampled_from((1, 2, 4, 8)))
    position = draw(st.sampled_from((0, 7, 0xFFFF)))
    ring = Layout(
        BASE,
        size,
        0,
        0x400,
        0x800,
        *draw(st.tuples(*[st.booleans()] * 4)),
        position,
        position,
        position,
    )
    ram = bytearray(RAM_BYTES)
    for i, entry in enumerate(draw(st.lists(entries, max_size=size))):
        struct.pack_into("<QIHH", ram, 16 * i, *entry)
    table = draw(st.lists(entries, max_size=4))
    for i, entry in enumerate(table):
        struct.pack_into("<QIHH", ram, 0xC00 + 16 * i, *entry)
    led_to = draw(st.booleans())
    if table and led_to:
        struct.pack_into("<QIHH", ram, 0, BASE + 0xC00, 16 * len(table), draw(st.sampled_from((4, 5, 6))), 0)
    for i, head in enumerate(draw(st.lists(st.integers(0, size), max_size=size))):
        struct.pack_into("<H", ram, 0x404 + 2 * i, head)
    waiting = draw(st.integers(0, size + 1))
    struct.pack_into("<HH", ram, 0x400, draw(st.integers(0, 3)), (position + waiting) % 65536)
    return ram, ring


@settings(max_examples=300)
@given(any_ring(), st.integers(0, 15))
def test_any_ring_agrees_with_the_oracle(ring: tuple[bytearray, Layout], seed: int) -> None:
    """Whatever a driver writes, kernels and oracle end alike."""
    assert Bench(*ring, seed).run() in CODES


positions = st.integers(0, 0xFFFF)


@given(positions, positions, st.one_of(st.integers(0, 8), positions))
def test_need_event_says_whether_a_batch_leaves_the_event_behind(event: int, old: int, step: int) -> None:
    """An interrupt is due exactly if one of the positions passed is the one that the driver named."""
    new = (old + step) % 65536
    assert kernels.need_event(event, new, old) == int(passes(event, new, old))
    assert kernels.need_event(old, new, old) == int(step != 0)
