"""The block device: requests in any framing, against a model that is a bytearray."""

import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.state import StateError
from devices.virtio.backends import BlockBackend, FileBackend, MemoryBackend, PowerCutBackend, PowerCutError
from devices.virtio.block import Block
from devices.virtio.constants import (
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_S_IOERR,
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP,
    VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID,
    VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

SECTORS = 16
DISK = bytes(range(256)) * 2 * SECTORS
FLUSH = 1 << VIRTIO_BLK_F_FLUSH

HEADER = RAM_BASE
DATA = RAM_BASE + 0x1000
STATUS = RAM_BASE + 0x8000
UNTOUCHED = 0xEE


class Disk:
    """A driver of a disk with one request at a time."""

    def __init__(self, backend: BlockBackend, features: int = FLUSH, serial: str = "thaw-disk") -> None:
        self.driver = Driver(Slot(Block(backend, serial)))
        self.driver.take(0x9000)
        self.driver.start(features, size=64)
        self.memory = self.driver.memory

    def request(
        self,
        kind: int,
        sector: int,
        out: bytes = b"",
        room: int = 0,
        cuts: Sequence[int] = (),
        indirect: bool = False,
    ) -> tuple[int, bytes, int]:
        """Do a request; return status, what is in the room for data, and the used length.

        `cuts` are places at which the readable and the writable bytes are divided into descriptors.
        """
        self.memory.write(HEADER, struct.pack("<IIQ", kind, 0, sector))
        self.memory.write(DATA, out or bytes([UNTOUCHED]) * room)
        self.memory.write(STATUS, bytes([UNTOUCHED]))
        readable = [Buffer(HEADER, 16), Buffer(DATA, len(out))]
        writable = [Buffer(DATA, room, True), Buffer(STATUS, 1, True)]
        buffers = [piece for buffer in readable + writable for piece in cut(buffer, cuts) if buffer.length]
        used = self.send(buffers, indirect)
        return self.memory.read(STATUS, 1)[0], self.memory.read(DATA, room), used

    def send(self, buffers: list[Buffer], indirect: bool = False) -> int:
        """Send a chain as it is; return the used length."""
        ring = self.driver.rings[0]
        head = ring.indirect_chain(buffers, RAM_BASE + 0x8800) if indirect else ring.chain(buffers)
        ring.make_available(head)
        self.driver.notify(0)
        [(used_head, used)] = ring.reap()
        assert used_head == head
        return used


def cut(buffer: Buffer, cuts: Sequence[int]) -> list[Buffer]:
    """Divide a buffer at places, counted from its start."""
    ends = sorted({0, buffer.length, *(place for place in cuts if place < buffer.length)})
    return [Buffer(buffer.addr + at, end - at, buffer.writable) for at, end in pairwise(ends)]


requests = st.tuples(
    st.sampled_from(
        (VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, 2, 0xFFFF_FFFF)
    ),
    st.one_of(st.integers(0, SECTORS), st.sampled_from(((1 << 55) - 1, 1 << 55, (1 << 64) - 1))),
    st.one_of(st.integers(0, 4).map(lambda sectors: 512 * sectors), st.integers(0, 1500)),
    st.lists(st.integers(1, 1500), max_size=6),
    st.booleans(),
    st.integers(0, 255),
)


@given(st.lists(requests, max_size=8))
def test_any_requests_in_any_framing_do_what_a_model_does(
    steps: list[tuple[int, int, int, list[int], bool, int]],
) -> None:
    """Status, data, used length and disk are the model's, whatever is asked and however it is cut up."""
    backend = MemoryBackend(DISK)
    disk = Disk(backend, FLUSH | 1 << VIRTIO_RING_F_INDIRECT_DESC)
    model = bytearray(DISK)
    for kind, sector, length, cuts, indirect, fill in steps:
        at = 512 * sector
        good = length % 512 == 0 and at + length <= len(model)
        if kind == VIRTIO_BLK_T_OUT:
            status, _, used = disk.request(
                kind, sector, out=bytes([fill]) * length, cuts=cuts, indirect=indirect
            )
            if good:
                model[at : at + length] = bytes([fill]) * length
            assert (status, used) == (VIRTIO_BLK_S_OK if good else VIRTIO_BLK_S_IOERR, 1)
        else:
            status, data, used = disk.request(kind, sector, room=length, cuts=cuts, indirect=indirect)
            if kind == VIRTIO_BLK_T_IN and good:
                assert (status, data, used) == (VIRTIO_BLK_S_OK, bytes(model[at : at + length]), length + 1)
            else:
                expected = {
                    VIRTIO_BLK_T_IN: VIRTIO_BLK_S_IOERR,
                    VIRTIO_BLK_T_FLUSH: VIRTIO_BLK_S_OK,
                }.get(kind, VIRTIO_BLK_S_UNSUPP)
                assert (status, data) == (expected, bytes([UNTOUCHED]) * length)
                assert used == (1 if length == 0 else 0)
    assert backend.data == model


def test_the_configuration_space_describes_the_disk() -> None:
    """Capacity in sectors, seg_max that leaves room for header and status, blk_size of 512."""
    driver = Driver(Slot(Block(MemoryBackend(DISK), "disk")))
    assert driver.config(0, 8) == SECTORS
    assert driver.config(12) == 254
    assert driver.config(20) == 512
    driver.slot.mmio.write(0x100, 8, 0)
    assert driver.config(0, 8) == SECTORS
    assert driver.config(0x100, 8) == 0


@pytest.mark.parametrize(
    ("serial", "room", "answer"),
    [
        ("thaw", 20, b"thaw" + bytes(16)),
        ("0123456789abcdefghijXYZ", 20, b"0123456789abcdefghij"),
        ("thaw", 3, b"tha"),
        ("thaw", 22, b"thaw" + bytes(16) + bytes([UNTOUCHED] * 2)),
        ("é", 2, b"?\0"),
    ],
)
def test_get_id_answers_with_the_serial(serial: str, room: int, answer: bytes) -> None:
    """The serial is 20 bytes, padded with NULs; less room gets less, more is left alone."""
    disk = Disk(MemoryBackend(DISK), serial=serial)
    status, data, used = disk.request(VIRTIO_BLK_T_GET_ID, 0, room=room, cuts=[2])
    assert (status, data) == (VIRTIO_BLK_S_OK, answer)
    assert used == (room + 1 if room <= 20 else 20)


def test_a_read_only_disk_says_so_and_refuses_writes(tmp_path: Path) -> None:
    """The RO feature is offered, and a write is an I/O error that leaves the disk alone."""
    path = tmp_path / "disk"
    path.write_bytes(DISK)
    backend = FileBackend(path, read_only=True)
    disk = Disk(backend)
    assert disk.driver.slot.mmio.device.features >> VIRTIO_BLK_F_RO & 1
    assert disk.request(VIRTIO_BLK_T_OUT, 0, out=bytes(512))[0] == VIRTIO_BLK_S_IOERR
    assert disk.request(VIRTIO_BLK_T_IN, 0, room=512) == (VIRTIO_BLK_S_OK, DISK[:512], 513)
    backend.close()
    assert path.read_bytes() == DISK


def test_without_flush_every_write_is_durable() -> None:
    """A driver that cannot flush loses nothing that was done; one that can loses what it did not flush."""
    for features, survivor in ((0, b"\x11" * 512), (FLUSH, DISK[:512])):
        backend = PowerCutBackend(DISK)
        disk = Disk(backend, features)
        disk.request(VIRTIO_BLK_T_OUT, 0, out=b"\x11" * 512)
        assert backend.after_power_cut()[:512] == survivor


def test_a_flush_makes_earlier_writes_durable() -> None:
    """What was written before a flush survives a power cut right after it."""
    backend = PowerCutBackend(DISK)
    disk = Disk(backend)
    disk.request(VIRTIO_BLK_T_OUT, 3, out=b"\x11" * 512)
    assert disk.request(VIRTIO_BLK_T_FLUSH, 0) == (VIRTIO_BLK_S_OK, b"", 1)
    assert backend.after_power_cut()[1536:2048] == b"\x11" * 512


def test_an_error_of_the_disk_is_an_error_of_that_request_only() -> None:
    """A failing write or flush is S_IOERR, and the next one works."""
    disk = Disk(PowerCutBackend(DISK, fail_at=(1, 3)))
    statuses = [disk.request(VIRTIO_BLK_T_OUT, 0, out=bytes(512))[0] for _ in range(2)]
    statuses += [disk.request(VIRTIO_BLK_T_FLUSH, 0)[0] for _ in range(2)]
    assert statuses == [VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK]


def test_a_power_cut_is_nobodys_error() -> None:
    """The request under which the power went has no answer: whoever runs the machine hears of it."""
    disk = Disk(PowerCutBackend(DISK, cut_at=2))
    assert disk.request(VIRTIO_BLK_T_OUT, 0, out=bytes(512))[0] == VIRTIO_BLK_S_OK
    with pytest.raises(PowerCutError, match="power cut at disk operation 2"):
        disk.request(VIRTIO_BLK_T_FLUSH, 0)
    with pytest.raises(PowerCutError):
        disk.request(VIRTIO_BLK_T_IN, 0, room=512)
    assert disk.memory.read(STATUS, 1)[0] == UNTOUCHED


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_short_header_is_an_io_error(length: int) -> None:
    """A request without a whole header fails with a status."""
    disk = Disk(MemoryBackend(DISK))
    disk.memory.write(STATUS, bytes([UNTOUCHED]))
    assert disk.send([Buffer(HEADER, length), Buffer(STATUS, 1, True)]) == 1
    assert disk.memory.read(STATUS, 1)[0] == VIRTIO_BLK_S_IOERR


def test_a_request_without_room_for_a_status_comes_back() -> None:
    """There is nowhere to answer, and nothing is done: not even the write that it asks for."""
    backend = MemoryBackend(DISK)
    disk = Disk(backend)
    disk.memory.write(HEADER, struct.pack("<IIQ", VIRTIO_BLK_T_OUT, 0, 0))
    assert disk.send([Buffer(HEADER, 16), Buffer(DATA, 512)]) == 0
    assert backend.data == DISK


def test_what_the_device_writes_is_announced() -> None:
    """Data, status and used ring of a read are all reported to whoever keeps translated code."""
    disk = Disk(MemoryBackend(DISK))
    slot = disk.driver.slot
    ring = disk.driver.rings[0]
    disk.memory.write(HEADER, struct.pack("<IIQ", VIRTIO_BLK_T_IN, 0, 0))
    buffers = [Buffer(HEADER, 16), Buffer(DATA, 1000, True), Buffer(DATA + 0x1000, 25, True)]
    ring.make_available(ring.chain(buffers))
    slot.written.clear()
    disk.driver.notify(0)
    assert set(slot.written) == {(DATA, 1000), (DATA + 0x1000, 25), (ring.used, 4 + 8 * ring.size)}


def test_a_state_of_another_disk_is_refused() -> None:
    """A disk that shrank or grew since the state was saved is an error that names the field."""
    state = Block(MemoryBackend(DISK), "disk").save()
    with pytest.raises(StateError, match=r"block\.size: 8192 is outside 512\.\.512"):
        Block(MemoryBackend(bytes(512)), "disk").restore(state)
