"""Host images: what comes back is what was there, or nothing comes back."""

import contextlib
import errno
import os
import shutil
import stat
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.memory import GuestMemory
from hv import board
from hv.errors import HostError, ImageError
from hv.hostimage.format import PROLOGUE, ROW, VERSION, Header, front_crc
from hv.hostimage.identity import DISK_BLOCK, DiskIdentity, MachineIdentity, identify_disk
from hv.hostimage.reader import open_image
from hv.hostimage.writer import write_image

PAGE = board.PAGE_SIZE
RAM = board.RAM_MIN
PAGES = RAM // PAGE

MACHINE = MachineIdentity(
    ram_base=board.DRAM_BASE,
    ram_size=RAM,
    slots=(2, 5, 0, 0, 0, 0, 0, 0),
    legacy_virtio=False,
    firmware="a" * 64,
    kernel="b" * 64,
    disks=(DiskIdentity(1 << 20, "c" * 64),),
)

page_sets = st.sets(st.one_of(st.integers(0, 20), st.integers(0, PAGES - 1), st.just(PAGES - 1)), max_size=40)


def make_memory(*pages: int) -> GuestMemory:
    """Return RAM in which these pages hold something, different in each."""
    memory = GuestMemory.allocate(board.DRAM_BASE, RAM)
    for page in pages:
        memory.write(board.DRAM_BASE + page * PAGE + page % 509 * 8, struct.pack("<Q", page + 1))
    return memory


def contents(memory: GuestMemory) -> dict[int, bytes]:
    """Return the pages that are not zero, without making the host give memory to the others."""
    found = np.flatnonzero(memory.nonzero()).tolist()
    return {page: memory.read(board.DRAM_BASE + page * PAGE, PAGE) for page in found}


def bitmap(pages: set[int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return the map in which these pages are ballooned."""
    found = np.zeros(PAGES, np.bool_)
    found[list(pages)] = True
    return found


def save(path: Path, memory: GuestMemory, ballooned: set[int] | None = None) -> Header:
    """Write an image of a machine of ours."""
    return write_image(path, memory, bitmap(ballooned or set()), MACHINE, 123_456)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the image goes."""
    return tmp_path / "guest.thaw"


@given(page_sets, page_sets, st.integers(0, 600))
def test_ram_comes_back_but_for_the_balloon(
    path: Path, used: set[int], ballooned: set[int], run: int
) -> None:
    """Every page holds what it held, and a ballooned page zeros, whatever the pattern of pages."""
    memory = make_memory(*used, *range(1000, 1000 + run))
    header = save(path, memory, ballooned)
    with open_image(path) as image:
        assert image.header == header
        back = image.load(RAM)
    kept = {page: data for page, data in contents(memory).items() if page not in ballooned}
    assert contents(back) == kept
    assert set(kept) == used.union(range(1000, 1000 + run)) - ballooned
    assert (back.base, back.size) == (memory.base, memory.size)


def test_the_header_counts_every_page_once(path: Path) -> None:
    """Pages are saved, ballooned or zero: a ballooned page with contents and a page of written zeros too."""
    memory = make_memory(3, 4, 5, 900)
    memory.write(board.DRAM_BASE + 7 * PAGE, bytes(PAGE))
    header = save(path, memory, {5, 6})
    assert (header.pages_saved, header.pages_ballooned, header.pages_zero) == (3, 2, PAGES - 5)
    assert header.virtual_ns == 123_456
    assert path.stat().st_size < 4 * PAGE


def test_what_was_left_out_costs_nothing(path: Path) -> None:
    """Neither writing nor loading an image makes the host give memory to pages that are not in it."""
    memory = make_memory(3, 4, 5, 900)
    before = memory.resident_bytes()
    save(path, memory, {5})
    assert memory.resident_bytes() == before
    with open_image(path) as image:
        assert image.load(RAM).resident_bytes() == 3 * PAGE


def test_the_same_memory_makes_the_same_file(path: Path) -> None:
    """An image is a function of the machine: two of the same RAM are the same bytes."""
    save(path, make_memory(1, 2, 600))
    first = path.read_bytes()
    save(path, make_memory(600, 2, 1))
    assert path.read_bytes() == first


def test_only_the_owner_can_read_an_image(path: Path) -> None:
    """A guest's memory holds secrets, so the file is private whatever the umask."""
    save(path, make_memory(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_image(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """When the disk fails at any step, the old image is still there, whole, and no temporary file is."""
    save(path, make_memory(1))
    old = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":
        monkeypatch.setattr("hv.hostimage.writer.write_all", fail)
    else:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(HostError, match=r"cannot be written \(No space left on device\); choose another"):
        save(path, make_memory(2))
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/guest.thaw", "."])
def test_a_place_that_cannot_be_written_is_a_host_error(tmp_path: Path, place: str) -> None:
    """A folder that does not exist, or a name that is a folder, is refused in one line."""
    with pytest.raises(HostError, match=r"host image .*: cannot be written"):
        save(tmp_path / place, make_memory(1))


@given(st.data())
def test_a_damaged_image_is_never_loaded(path: Path, data: st.DataObject) -> None:
    """Whatever bytes are changed, cut or added, loading gives the same RAM or an ImageError."""
    memory = make_memory(0, 1, 2, 700, PAGES - 1)
    save(path, memory)
    good = path.read_bytes()
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.one_of(st.integers(0, 700), st.integers(0, len(good) - 1)))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(0), st.integers(0, len(good))))
    damaged = damaged[: len(good) - cut] + data.draw(st.binary(max_size=3))
    path.write_bytes(damaged)
    with contextlib.suppress(ImageError), open_image(path) as image:
        assert contents(image.load(RAM)) == contents(memory)
        return
    assert damaged != good


def forge(
    path: Path,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    rows: object = ((0, 1),),
    pages: int = 1,
) -> None:
    """Write an image whose checksums are all right, whatever it says."""
    header = msgspec.to_builtins(Header(MACHINE, 0, 1, 0, PAGES - 1))
    change(header)
    text = msgspec.json.encode(header)
    page_crc = zlib.crc32(bytes(PAGE))
    table = np.array([(*row, page_crc) for row in rows], ROW).tobytes()  # type: ignore[attr-defined]
    sizes = len(text), len(table) // ROW.itemsize
    prologue = PROLOGUE.pack(b"THAWRAM\n", VERSION, *sizes, front_crc(text, table))
    path.write_bytes(prologue + text + table + bytes(PAGE * pages))


@pytest.mark.parametrize(
    ("rows", "pages", "reason"),
    [
        ([(0, 0)], 1, "not of 1 to 256 pages"),
        ([(0, 257)], 257, "not of 1 to 256 pages"),
        ([(5, 1), (5, 1)], 2, "overlap or are out of order"),
        ([(0, 2), (1, 1)], 3, "overlap or are out of order"),
        ([(5, 1), (4, 1)], 2, "overlap or are out of order"),
        ([(PAGES, 1)], 1, f"outside its {PAGES} pages"),
        ([(PAGES - 1, 2)], 2, f"outside its {PAGES} pages"),
        ([((1 << 32) - 1, 1)], 1, f"outside its {PAGES} pages"),
        ([(0, 1), (1, 1)], 2, "pages_saved 1 is not the table's 2"),
        ([(0, 1)], 2, "8192 bytes of contents for 1 pages"),
        ([(0, 1)], 0, "0 bytes of contents for 1 pages"),
    ],
)
def test_a_forged_table_is_refused(path: Path, rows: list[tuple[int, int]], pages: int, reason: str) -> None:
    """A table that leads outside RAM, twice to a page, or past the file is refused, checksums or not."""
    forge(path, rows=rows, pages=pages)
    with pytest.raises(ImageError, match=f"host image .*: .*{reason}.*; use another copy"):
        open_image(path)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("machine.ram_size", RAM + 1, r"machine\.ram_size"),
        ("machine.ram_size", RAM // 2, r"machine\.ram_size"),
        ("machine.ram_size", 16 * board.GIB, r"machine\.ram_size"),
        ("machine.ram_size", 2 * RAM, f"do not add up to {2 * PAGES}"),
        ("machine.ram_base", -1, r"machine\.ram_base"),
        ("machine.firmware", "../../etc/passwd", r"machine\.firmware"),
        ("machine.slots", [0] * 9, r"machine\.slots"),
        ("machine.disks", [{"size": -1, "sha256": "c" * 64}], r"machine\.disks\[0\]\.size"),
        ("a\nb", 1, "unknown field"),
    ],
)
def test_a_forged_header_is_refused(path: Path, field: str, value: object, reason: str) -> None:
    """A header with an impossible field is refused in one line that names the field."""

    def change(header: dict[str, Any]) -> None:
        *folder, name = field.split(".")
        (header[folder[0]] if folder else header)[name] = value

    forge(path, change)
    with pytest.raises(ImageError, match=reason) as error:
        open_image(path)
    assert "\n" not in str(error.value)


def test_an_image_that_was_not_damaged_in_the_forging_is_read(path: Path) -> None:
    """The forger's tool makes good images too, so its bad ones are refused for the reason given."""
    forge(path)
    with open_image(path) as image:
        assert contents(image.load(RAM)) == {}


@pytest.mark.parametrize(
    ("offset", "layout", "value", "reason"),
    [
        (0, "8s", b"\x7fELF\2\1\1\0", "not a host image"),
        (8, "<I", 3, "version 3 is not 2"),
        (12, "<I", 1 << 31, "a header of 2147483648 bytes"),
        (16, "<I", (1 << 32) - 1, "truncated"),
        (20, "<I", 0, "checksum of the header"),
    ],
)
def test_a_bad_prologue_is_named(path: Path, offset: int, layout: str, value: object, reason: str) -> None:
    """Each field before the header is checked by itself, before anything is believed or allocated."""
    forge(path)
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset, value)
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(ImageError, match=f"host image .*: .*{reason}.*; "):
        open_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < board.MIB


def test_an_image_that_changes_while_it_is_open_is_noticed(path: Path) -> None:
    """Contents are verified as they are loaded, not before: there is no moment in between to change them."""
    save(path, make_memory(1, 2))
    with open_image(path) as image:
        with path.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\xff")
        with pytest.raises(ImageError, match="checksum of page 1 and on is wrong"):
            image.load(RAM)
        os.truncate(path, path.stat().st_size - PAGE)
        with pytest.raises(ImageError, match="became shorter"):
            image.load(RAM)


def test_an_image_can_be_thawed_again(path: Path) -> None:
    """Loading does not consume: two loads give equal memories that share nothing."""
    save(path, make_memory(1, 2))
    with open_image(path) as image:
        first, second = image.load(RAM), image.load(RAM)
    first.write(board.DRAM_BASE + PAGE, b"dirty")
    assert contents(second) == contents(make_memory(1, 2)) != contents(first)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ram_size": 2 * RAM}, "bytes of RAM: 33554432 when it was written, 67108864 now; give -m 32M"),
        ({"slots": (2, 0, 0, 5, 0, 0, 0, 0)}, "device ids in slots: .* attach the same devices"),
        ({"legacy_virtio": True}, "legacy virtio-mmio: False .* leave --legacy-virtio out"),
        ({"firmware": "d" * 64}, "firmware: a+ when it was written, d+ now; give the same -bios"),
        ({"kernel": "d" * 64}, "kernel: b+ .* give the same -kernel"),
        ({"disks": ()}, "number of disks: 1 when it was written, 0 now"),
        ({"disks": (DiskIdentity(1 << 21, "c" * 64),)}, "size of disk 0: 1048576 .* 2097152 now"),
        ({"disks": (DiskIdentity(1 << 20, "d" * 64),)}, "contents of disk 0: .* put its copy of then back"),
    ],
)
def test_another_machine_is_refused(path: Path, change: dict[str, object], reason: str) -> None:
    """Only the machine that slept may resume: each difference is named with its fix."""
    save(path, make_memory(1))
    with open_image(path) as image:
        image.check(MACHINE)
        with pytest.raises(ImageError, match=reason):
            image.check(msgspec.structs.replace(MACHINE, **change))


def test_ram_of_another_size_or_place_is_refused(path: Path) -> None:
    """An image goes into RAM of its own size and place only, and says which -m that is."""
    forge(path)
    with (
        open_image(path) as image,
        pytest.raises(ImageError, match=r"bytes of RAM: 33554432 .*; give -m 32M"),
    ):
        image.load(2 * RAM)
    forge(path, lambda header: header["machine"].update(ram_base=0))
    with (
        open_image(path) as image,
        pytest.raises(ImageError, match=r"base of RAM: 0 when .*, 2147483648 now"),
    ):
        image.load(RAM)


def test_a_disk_is_known_by_its_contents_alone(tmp_path: Path) -> None:
    """A copy elsewhere, sparse or not, is the same disk; one changed byte, or a longer disk, is another."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    with disk.open("wb") as file:
        file.truncate(5 * DISK_BLOCK + 100)
        for at in (10_000, 50_000, 3 * DISK_BLOCK - 1, 5 * DISK_BLOCK + 99):
            file.seek(at)
            file.write(b"x")
    identity = identify_disk(disk)
    copy.write_bytes(disk.read_bytes())  # no holes
    assert identify_disk(copy) == identity
    with copy.open("r+b") as file:
        file.seek(DISK_BLOCK)
        file.write(b"y")
    assert identify_disk(copy) != identity
    shutil.copyfile(disk, copy)
    os.truncate(copy, copy.stat().st_size + 512)
    assert identify_disk(copy) != identity


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4, unique=True))
def test_the_place_of_a_block_matters(tmp_path: Path, order: list[int]) -> None:
    """Two disks with the same blocks in another order are different disks."""

    def identify(blocks: list[int]) -> DiskIdentity:
        (tmp_path / "disk").write_bytes(b"".join(bytes([number]) * DISK_BLOCK for number in blocks))
        return identify_disk(tmp_path / "disk")

    assert (identify(order) == identify([0, 1, 2, 3])) == (order == [0, 1, 2, 3])
