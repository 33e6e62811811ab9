"""The used ring: which chain came back, and how many bytes the device wrote."""

import struct

from devices.virtio.constants import VIRTIO_BLK_S_OK, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT
from hv.conformance.driver import Driver
from hv.conformance.marks import clauses
from hv.conformance.ring import Buffer

SECTOR = 512


@clauses("C151", "C152", "C153", device="block", interface="both")
def test_the_length_is_of_what_was_written(driver: Driver) -> None:
    """A sector read counts its data and the status byte, and at least so many bytes are new."""
    driver.start()
    header = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_IN, 0, 0))
    room = driver.put(b"\xaa" * (SECTOR + 1))
    _, length = driver.submit(0, [Buffer(header, 16), Buffer(room, SECTOR + 1, True)])
    assert 0 < length <= SECTOR + 1
    assert driver.dut.read_memory(room, length) == bytes(SECTOR + 1)[:length]
    assert driver.dut.read_memory(room + SECTOR, 1)[0] == VIRTIO_BLK_S_OK


@clauses("C151", "C152", device="block", interface="both")
def test_the_length_never_says_more_than_was_written(driver: Driver) -> None:
    """A write says at most its status byte, and an identity at most its 20 bytes and the status byte."""
    driver.start()
    status = driver.put(b"\xff")
    header = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_OUT, 0, 1))
    data = driver.put(bytes(SECTOR))
    _, length = driver.submit(0, [Buffer(header, 16), Buffer(data, SECTOR), Buffer(status, 1, True)])
    assert length <= 1
    header = driver.put(struct.pack("<IIQ", VIRTIO_BLK_T_GET_ID, 0, 0))
    name = driver.take(20)
    _, length = driver.submit(0, [Buffer(header, 16), Buffer(name, 20, True), Buffer(status, 1, True)])
    assert length <= 21


@clauses("C151", "C152", device="balloon", interface="both")
def test_a_balloon_writes_nothing_and_says_so(driver: Driver) -> None:
    """Chains without a writable buffer come back with length 0."""
    driver.start()
    index, buffers = driver.request()
    for queue in (index, 1):
        assert driver.submit(queue, buffers)[1] == 0


@clauses("C151", interface="both")
def test_each_chain_comes_back_once(driver: Driver) -> None:
    """Six chains, made available at once in an odd order, come back, each exactly once."""
    driver.start(size=32)
    ring = driver.rings[0]
    heads = [ring.chain(driver.request()[1]) for _ in range(6)]
    ring.make_available(*reversed(heads))
    driver.notify(0)
    assert sorted(head for head, _ in ring.reap()) == sorted(heads)
    driver.notify(0)
    assert ring.reap() == []
