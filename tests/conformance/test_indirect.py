"""Indirect Descriptors: a chain in a table of its own, alone or behind others."""

import struct

import pytest

from devices.virtio.constants import (
    VIRTIO_CONFIG_S_NEEDS_RESET,
    VIRTIO_RING_F_INDIRECT_DESC,
    VRING_DESC_F_INDIRECT,
    VRING_DESC_F_NEXT,
    VRING_DESC_F_WRITE,
)
from hv.conformance.driver import Driver
from hv.conformance.dut import RAM_BASE
from hv.conformance.marks import clauses


def served(driver: Driver, head: int) -> bool:
    """Make a chain available and return whether it came back."""
    ring = driver.rings[0]
    ring.make_available(head)
    driver.notify(0)
    return [each for each, _ in ring.reap()] == [head]


@clauses("C137", interface="both")
def test_write_on_an_indirect_descriptor_means_nothing(driver: Driver) -> None:
    """A request in an indirect table is carried out whether WRITE is set on the way there or not."""
    driver.start(driver.require(VIRTIO_RING_F_INDIRECT_DESC))
    for flags in (0, VRING_DESC_F_WRITE):
        table = driver.take(4096)
        head = driver.rings[0].indirect_chain(driver.request()[1], table, flags)
        assert served(driver, head), f"flags {flags}"


@clauses("C129", "C137", interface="both")
def test_an_indirect_table_is_not_written(driver: Driver) -> None:
    """The table is after the request as it was."""
    driver.start(driver.require(VIRTIO_RING_F_INDIRECT_DESC))
    table = driver.take(4096)
    head = driver.rings[0].indirect_chain(driver.request()[1], table)
    before = driver.dut.read_memory(table, 256)
    assert served(driver, head)
    assert driver.dut.read_memory(table, 256) == before


@clauses("C138", interface="both")
def test_descriptors_may_lead_to_an_indirect_table(driver: Driver) -> None:
    """None, one or two descriptors of a request come first, and the rest is in an indirect table."""
    driver.start(driver.require(VIRTIO_RING_F_INDIRECT_DESC))
    ring = driver.rings[0]
    _, buffers = driver.request()
    for direct in range(len(buffers)):
        _, buffers = driver.request()
        table = driver.take(4096)
        heads = [(ring.next_desc + i) % ring.size for i in range(direct + 1)]
        for i in range(direct):
            flags = VRING_DESC_F_NEXT | (VRING_DESC_F_WRITE if buffers[i].writable else 0)
            ring.descriptor(heads[i], buffers[i].addr, buffers[i].length, flags, heads[i + 1])
        ring.next_desc = heads[-1]
        assert ring.indirect_chain(buffers[direct:], table) == heads[-1]
        assert served(driver, heads[0]), f"{direct} descriptors before the table"


@clauses("C007", "C008")
@pytest.mark.parametrize("length", [0, 8, 24])
def test_a_table_that_is_no_table_needs_a_reset(driver: Driver, length: int) -> None:
    """An indirect table of no whole descriptors is refused; a reset cures it."""
    driver.start(driver.require(VIRTIO_RING_F_INDIRECT_DESC))
    ring = driver.rings[0]
    table = driver.take(4096)
    head = ring.indirect_chain(driver.request()[1][:1], table)
    ring.descriptor(head, table, length, VRING_DESC_F_INDIRECT)
    assert not served(driver, head)
    assert driver.status & VIRTIO_CONFIG_S_NEEDS_RESET
    driver.start()
    assert driver.serves()


@clauses("C007", "C031", interface="both")
def test_a_table_inside_a_table_does_no_harm(driver: Driver) -> None:
    """A second level of indirection, which no driver may build, leaves a device that a reset cures."""
    driver.start(driver.require(VIRTIO_RING_F_INDIRECT_DESC))
    ring = driver.rings[0]
    inner = driver.put(struct.pack("<QIHH", RAM_BASE, 4, 0, 0))
    outer = driver.put(struct.pack("<QIHH", inner, 16, VRING_DESC_F_INDIRECT, 0))
    ring.descriptor(0, outer, 16, VRING_DESC_F_INDIRECT)
    ring.make_available(0)
    driver.notify(0)
    driver.reset()
    assert driver.status == 0
    driver.start()
    assert driver.serves()
