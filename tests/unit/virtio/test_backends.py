"""Disks: what a file must be, who may open it, and what a power cut leaves."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.virtio.backends import BackendError, BlockBackend, FileBackend, MemoryBackend, PowerCutBackend

SIZE = 4096


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A disk image of eight sectors."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(256)) * (SIZE // 256))
    return path


def read(backend: BlockBackend, offset: int, *lengths: int) -> list[bytes]:
    """Read into fresh buffers."""
    buffers = [bytearray(length) for length in lengths]
    backend.read(offset, [memoryview(buffer) for buffer in buffers])
    return [bytes(buffer) for buffer in buffers]


def test_buffers_are_filled_and_stored_in_order(image: Path) -> None:
    """Both kinds of disk scatter and gather alike, and a file keeps what was written."""
    file = FileBackend(image)
    memory = MemoryBackend(image.read_bytes())
    for backend in (file, memory):
        assert backend.size == SIZE
        assert not backend.read_only
        backend.write(512, [memoryview(b"a" * 100), memoryview(b"b" * 412)])
        backend.flush()
        assert read(backend, 511, 1, 101, 411, 1) == [b"\xff", b"a" * 100 + b"b", b"b" * 411, b"\x00"]
    file.close()
    assert image.read_bytes() == memory.data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot open it: No such file or directory"),
        (b"", r"0 bytes are no whole sectors; make it a multiple of 512"),
        (bytes(513), r"513 bytes are no whole sectors"),
    ],
)
def test_an_unusable_file_is_refused_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A missing, empty or odd file is an error with its name."""
    path = tmp_path / "disk.img"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendError, match=f"disk {path}: {message}") as error:
        FileBackend(path)
    assert "\n" not in str(error.value)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """A directory or a device node is no disk image."""
    with pytest.raises(BackendError, match="not a regular file"):
        FileBackend(tmp_path, read_only=True)
    with pytest.raises(BackendError, match="not a regular file"):
        FileBackend(Path("/dev/null"))


def test_memory_is_whole_sectors_too() -> None:
    """A disk in memory obeys the same rule."""
    with pytest.raises(BackendError, match="513 bytes are no whole sectors"):
        MemoryBackend(bytes(513))


def test_a_disk_has_one_writer_or_many_readers(image: Path) -> None:
    """Two machines cannot share a disk that one of them writes; the lock goes with the backend."""
    writer = FileBackend(image)
    for read_only in (False, True):
        with pytest.raises(BackendError, match=r"another machine.* has it open"):
            FileBackend(image, read_only)
    writer.close()
    readers = [FileBackend(image, read_only=True) for _ in range(2)]
    with pytest.raises(BackendError, match=r"another machine.* has it open"):
        FileBackend(image)
    for reader in readers:
        reader.close()
    FileBackend(image).close()


def test_a_file_that_shrank_is_an_io_error(image: Path) -> None:
    """Reading where the file no longer is fails as a bad sector would."""
    backend = FileBackend(image)
    image.write_bytes(bytes(512))
    assert read(backend, 0, 512) == [bytes(512)]
    with pytest.raises(OSError, match="transferred 0 bytes only"):
        read(backend, 512, 512)
    backend.close()


@given(
    operations=st.lists(st.one_of(st.none(), st.integers(0, 7)), min_size=1, max_size=12),
    data=st.data(),
)
def test_a_power_cut_keeps_what_was_flushed_and_any_of_the_rest(
    operations: list[int | None], data: st.DataObject
) -> None:
    """The survivor is the last flushed disk plus just those later writes that the test lets through."""
    disk = PowerCutBackend(bytes(SIZE))
    flushed = bytes(SIZE)
    current = bytearray(SIZE)
    later: list[tuple[int, bytes]] = []
    for number, sector in enumerate(operations, start=1):
        if sector is None:
            disk.flush()
            flushed, later = bytes(current), []
        else:
            content = bytes([number]) * 512
            disk.write(512 * sector, [memoryview(content[:100]), memoryview(content[100:])])
            current[512 * sector : 512 * sector + 512] = content
            later.append((512 * sector, content))
    assert disk.operations == len(operations)
    assert read(disk, 0, SIZE) == [bytes(current)]
    assert disk.after_power_cut() == flushed
    assert disk.after_power_cut(range(len(disk.unflushed))) == bytes(current)
    kept = data.draw(st.lists(st.integers(0, max(0, len(later) - 1)), unique=True, max_size=len(later)))
    expected = bytearray(flushed)
    for index in kept:
        offset, content = later[index]
        expected[offset : offset + 512] = content
    assert disk.after_power_cut(kept) == bytes(expected)
