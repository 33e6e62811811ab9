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
from devices.virtio.block.config import WRITEBACK, describe
from devices.virtio.constants import (
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_S_IOERR,
    VIRTIO_BLK_S_OK,
    VIRTIO_BLK_S_UNSUPP,
    VIRTIO_BLK_T_DISCARD,
    VIRTIO_BLK_T_FLUSH,
    VIRTIO_BLK_T_GET_ID,
    VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT,
    VIRTIO_BLK_T_WRITE_ZEROES,
    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
    VIRTIO_CONFIG_S_ACKNOWLEDGE,
    VIRTIO_RING_F_INDIRECT_DESC,
)
from hv.conformance.dut import RAM_BASE
from hv.conformance.ours import Slot
from hv.conformance.ring import Buffer
from tests.harness.virtio_driver import Driver

SECTORS = 16
DISK = bytes(range(256)) * 2 * SECTORS
FLUSH = 1 << VIRTIO_BLK_F_FLUSH
WCE = 1 << VIRTIO_BLK_F_CONFIG_WCE
UNMAP = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

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


sectors = st.one_of(st.integers(0, SECTORS), st.sampled_from(((1 << 55) - 1, 1 << 55, (1 << 64) - 1)))

requests = st.tuples(
    st.sampled_from(
        (VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH, 2, 0xFFFF_FFFF)
    ),
    sectors,
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


@given(
    kind=st.sampled_from((VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES)),
    sector=sectors,
    count=st.one_of(st.integers(0, SECTORS + 1), st.sampled_from(((1 << 22) - 1, 1 << 22, (1 << 32) - 1))),
    flags=st.sampled_from((0, 0, UNMAP, 2, UNMAP | 1 << 31)),
    cuts=st.lists(st.integers(1, 15), max_size=3),
)
def test_ranges_are_cleared_as_a_model_does_it(
    kind: int, sector: int, count: int, flags: int, cuts: list[int]
) -> None:
    """A range of the disk reads zero; a flag that means nothing is unsupported, what is no range an error."""
    backend = MemoryBackend(DISK)
    disk = Disk(backend)
    model = bytearray(DISK)
    if flags & ~(UNMAP if kind == VIRTIO_BLK_T_WRITE_ZEROES else 0):
        expected = VIRTIO_BLK_S_UNSUPP
    elif sector + count > SECTORS:
        expected = VIRTIO_BLK_S_IOERR
    else:
        expected = VIRTIO_BLK_S_OK
        model[512 * sector : 512 * (sector + count)] = bytes(512 * count)
    out = struct.pack("<QII", sector, count, flags)
    assert disk.request(kind, 0, out=out, cuts=cuts) == (expected, b"", 1)
    assert backend.data == model


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_a_request_names_one_range(length: int) -> None:
    """Half a range, none, and two, which is more than the configuration space allows, are I/O errors."""
    backend = MemoryBackend(DISK)
    out = struct.pack("<QIIQII", 0, 1, 0, 1, 1, 0)[:length]
    for kind in (VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES):
        assert Disk(backend).request(kind, 0, out=out)[0] == VIRTIO_BLK_S_IOERR
    assert backend.data == DISK


def test_a_cleared_range_of_a_file_is_a_hole(tmp_path: Path) -> None:
    """Write zeroes with `unmap`, and discard, give the room in the file back; without it the room stays."""
    path = tmp_path / "disk"
    size = 1 << 20
    for kind, flags, kept in (
        (VIRTIO_BLK_T_DISCARD, 0, 0),
        (VIRTIO_BLK_T_WRITE_ZEROES, UNMAP, 0),
        (VIRTIO_BLK_T_WRITE_ZEROES, 0, size),
    ):
        path.write_bytes(b"\x11" * size)
        backend = FileBackend(path)
        disk = Disk(backend)
        out = struct.pack("<QII", 0, size // 512, flags)
        assert disk.request(kind, 0, out=out)[0] == VIRTIO_BLK_S_OK
        assert disk.request(VIRTIO_BLK_T_FLUSH, 0)[0] == VIRTIO_BLK_S_OK
        backend.close()
        assert path.read_bytes() == bytes(size)
        assert 512 * path.stat().st_blocks == kept


def test_the_configuration_space_describes_the_disk() -> None:
    """Each field of the offered features, and zeros where nothing is; what describes cannot be written."""
    driver = Driver(Slot(Block(MemoryBackend(DISK), "disk")))
    described = struct.pack(
        "<QIIHBBIBBHIBBHIIIIIB3x",
        *(SECTORS, 0, 254),
        *(1, 16, 63),  # cylinders, heads, sectors
        *(512, 3, 0, 8, 0),  # blk_size, physical_block_exp, alignment_offset, min_io_size, opt_io_size
        *(1, 0, 0),  # writeback, unused0, num_queues
        *((1 << 22) - 1, 1, 8),  # discard: sectors, ranges, alignment
        *((1 << 22) - 1, 1, 1),  # write zeroes: sectors, ranges, may unmap
    )
    for value in (0, 0xFF):
        for at in range(64):
            if at != WRITEBACK:
                driver.slot.mmio.write(0x100 + at, 1, value)
    assert bytes(driver.config(at, 1) for at in range(60)) == described
    assert driver.config(60) == driver.config(0x100, 8) == 0


@pytest.mark.parametrize("size", [512, 512 * 16 * 63 * 2, 512 << 30], ids=["small", "middle", "large"])
def test_every_size_has_a_geometry(size: int) -> None:
    """At least one cylinder of 16 heads and 63 sectors, at most 16383, and no more than there is."""
    cylinders, heads, sectors = struct.unpack_from("<HBB", describe(size, True), 16)
    assert (heads, sectors) == (16, 63)
    assert cylinders == {512: 1, 512 << 30: 16383}.get(size, 2)


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
    for kind in (VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES):
        assert disk.request(kind, 0, out=struct.pack("<QII", 0, 1, 0))[0] == VIRTIO_BLK_S_IOERR
    assert disk.request(VIRTIO_BLK_T_IN, 0, room=512) == (VIRTIO_BLK_S_OK, DISK[:512], 513)
    backend.close()
    assert path.read_bytes() == DISK


@pytest.mark.parametrize(
    ("features", "mode", "written", "durable"),
    [
        (0, 1, None, True),
        (FLUSH, 1, None, False),
        (WCE | FLUSH, 1, None, False),
        (WCE | FLUSH, 1, 0, True),
        (WCE | FLUSH, 1, 2, False),
        (WCE, 0, None, True),
        (WCE, 0, 1, False),
        (FLUSH, 1, 0, False),
        (0, 1, 1, True),
    ],
)
@pytest.mark.parametrize("kind", [VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES])
def test_the_driver_chooses_what_a_power_cut_takes(
    features: int, mode: int, written: int | None, durable: bool, kind: int
) -> None:
    """A change is durable when it is done: with `writeback` 0, or for a driver that cannot flush at all."""
    backend = PowerCutBackend(DISK)
    disk = Disk(backend, features)
    assert disk.driver.config(WRITEBACK, 1) == mode
    if written is not None:
        disk.driver.slot.mmio.write(0x100 + WRITEBACK, 1, written)
    out = bytes(512) if kind == VIRTIO_BLK_T_OUT else struct.pack("<QII", 0, 1, 0)
    assert disk.request(kind, 0, out=out)[0] == VIRTIO_BLK_S_OK
    assert backend.after_power_cut()[:512] == (bytes(512) if durable else DISK[:512])


def test_the_mode_of_the_cache_is_the_drivers_to_keep() -> None:
    """It goes into a saved state and comes back; a reset brings writeback."""
    disk = Disk(MemoryBackend(DISK), WCE | FLUSH)
    disk.driver.slot.mmio.write(0x100 + WRITEBACK, 1, 0)
    state = disk.driver.slot.mmio.save()
    disk.driver.slot.mmio.reset()
    assert disk.driver.config(WRITEBACK, 1) == 1
    disk.driver.slot.mmio.restore(state)
    assert disk.driver.config(WRITEBACK, 1) == 0


def test_a_legacy_driver_may_choose_the_mode_early() -> None:
    """What it wrote before DRIVER_OK stays, also without FLUSH, and what it accepts changes nothing."""
    for mode in (0, 1):
        driver = Driver(Slot(Block(MemoryBackend(DISK), "disk"), interface="legacy"))
        driver.slot.mmio.write(0x100 + WRITEBACK, 1, mode)
        driver.accept(WCE)
        driver.status = VIRTIO_CONFIG_S_ACKNOWLEDGE
        driver.status = driver.working
        assert driver.config(WRITEBACK, 1) == mode


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
