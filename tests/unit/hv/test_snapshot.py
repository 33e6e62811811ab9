"""Snapshot files from outside: whatever is in them, they are refused in one line or restored exactly."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hv import board
from hv.config import Disk, MachineConfig
from hv.errors import ConfigError, HostError, ImageError, ThawvisorError
from hv.machine import Machine
from hv.snapshot.format import PHDR, STATE_PROLOGUE, VERSION, front_crc, join, native, portable, state_offset
from hv.snapshot.reader import looks_like_one, open_snapshot
from hv.snapshot.restore import restore
from hv.snapshot.writer import write_snapshot

RAM = 32 * board.MIB
hostile = settings(max_examples=250)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A snapshot of a guest that has begun to boot, with a disk and a balloon."""
    folder = tmp_path_factory.mktemp("good")
    disk = folder / "disk.img"
    disk.write_bytes(b"\1" * board.PAGE_SIZE)
    parts = MachineConfig(ram=RAM, disks=(Disk(disk),), balloon=100, virtio_console=True, rng_seed=5)
    with Machine(parts) as machine:
        machine.uart.receive(b"typed ahead\n" * 3)
        machine.run(300_000)
        write_snapshot(folder / "good", machine)
    return (folder / "good").read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test puts its file."""
    return tmp_path / "snapshot"


def refused(path: Path, data: bytes) -> ThawvisorError:
    """Restoring this file must fail; return the error, which is one line that names the file."""
    path.write_bytes(data)
    with pytest.raises(ThawvisorError) as caught, open_snapshot(path) as snapshot:
        restore(snapshot).close()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    return caught.value


class Front:
    """What precedes the contents, taken apart so that a test can change it and keep the checksum right."""

    def __init__(self, data: bytes) -> None:
        self.phdrs = struct.unpack_from("<H", data, 56)[0]
        self.table = np.frombuffer(data, PHDR, self.phdrs, 64).copy()
        self.at = state_offset(self.phdrs)
        self.version, _, self.runs, self.size = STATE_PROLOGUE.unpack_from(data, self.at)
        text_at = self.at + STATE_PROLOGUE.size + 4 * self.runs
        self.header: Any = msgspec.json.decode(data[text_at : text_at + self.size])
        self.crcs = data[self.at + STATE_PROLOGUE.size : text_at]
        self.contents_at = int(self.table["offset"][1])
        self.data = data

    def build(self) -> bytes:
        """Return the file, with the contents where they were if the state still has the room."""
        text = msgspec.json.encode(self.header).ljust(self.size)
        state = STATE_PROLOGUE.pack(self.version, 0, self.runs, len(text)) + self.crcs + text
        front = self.data[:64] + self.table.tobytes() + self.data[64 + self.table.nbytes : self.at] + state
        size = -(-len(front) // board.PAGE_SIZE) * board.PAGE_SIZE
        front = bytearray(front.ljust(size, b"\0"))
        front[self.at + 4 : self.at + 8] = front_crc(bytes(front), self.phdrs).to_bytes(4, "little")
        return bytes(front) + self.data[self.contents_at :]


def test_it_comes_back_exactly(good: bytes, path: Path) -> None:
    """State, RAM and disk are as they were, and what is written of them is the same file."""
    path.write_bytes(good)
    assert looks_like_one(path)
    with open_snapshot(path) as snapshot, restore(snapshot) as machine:
        assert machine.now_ns == snapshot.header.virtual_ns
        assert snapshot.header.pages_saved * board.PAGE_SIZE == len(good) - Front(good).contents_at
        again = path.with_name("again")
        write_snapshot(again, machine)
        assert again.read_bytes() == good
    assert Front(good).build() == good


@hostile
@given(data=st.data())
def test_a_changed_bit_anywhere_is_refused(good: bytes, path: Path, data: st.DataObject) -> None:
    """One wrong bit in headers, notes, state, padding or contents; checked alone, contents too."""
    at = data.draw(st.one_of(st.integers(0, len(good) - 1), st.integers(0, Front(good).contents_at)))
    bad = bytearray(good)
    bad[at] ^= 1 << data.draw(st.integers(0, 7))
    assert isinstance(refused(path, bytes(bad)), ImageError)


@hostile
@given(data=st.data())
def test_a_file_of_another_length_is_refused(good: bytes, path: Path, data: st.DataObject) -> None:
    """Cut off anywhere, or with something behind its end."""
    cut = data.draw(st.one_of(st.integers(0, len(good) - 1), st.integers(0, 20_000)))
    more = data.draw(st.binary(min_size=1, max_size=100))
    assert isinstance(refused(path, good[:cut]), ImageError)
    assert isinstance(refused(path, good + more), ImageError)


@hostile
@given(data=st.binary(max_size=2000))
@example(data=b"")
@example(data=b"\x7fELF" + bytes(60))
def test_junk_is_no_snapshot(path: Path, data: bytes) -> None:
    """Bytes that nobody wrote are told apart from a damaged snapshot."""
    assert isinstance(refused(path, data), ImageError)
    assert not looks_like_one(path)


NUMBERS = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.sampled_from([0, 1, 4095, 4096, board.DRAM_BASE - 4096, board.DRAM_BASE + RAM, (1 << 64) - 4096]),
)


@hostile
@given(
    field=st.sampled_from(["type", "offset", "vaddr", "paddr", "filesz"]),
    row=st.integers(1, 1000),
    value=NUMBERS,
)
def test_runs_that_lie_are_refused(good: bytes, path: Path, field: str, row: int, value: int) -> None:
    """Checksums right, but a run is elsewhere, longer, unaligned, over another, or outside of RAM or file."""
    front = Front(good)
    row = 1 + row % front.runs
    value &= 0xFFFF_FFFF if field == "type" else (1 << 64) - 1
    if int(front.table[field][row]) == value:
        value ^= 1 << 12
    front.table[field][row] = value
    assert isinstance(refused(path, front.build()), ImageError)


def leaves(tree: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in a tree of dicts and lists, branches included."""
    yield where
    for key, part in (
        tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    ):
        yield from leaves(part, (*where, key))


ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 1 << 70),
        st.sampled_from([0, 1, 255, 4095, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.builds(lambda data: {"hex": data.hex()}, st.binary(max_size=20)),
        st.builds(lambda text: {"hex": text}, st.text(max_size=6)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@hostile
@given(data=st.data())
def test_any_other_state_is_refused_or_restored(good: bytes, path: Path, data: st.DataObject) -> None:
    """Checksums right, one value of the JSON another: an error of one line, or a machine to save again."""
    front = Front(good)
    where = data.draw(st.sampled_from(list(leaves(front.header))[1:]))
    branch = front.header
    for key in where[:-1]:
        branch = branch[key]
    change = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace" or isinstance(branch, list):
        branch[where[-1]] = data.draw(ANYTHING)
    elif change == "remove":
        del branch[where[-1]]
    else:
        branch["more"] = data.draw(ANYTHING)
    path.write_bytes(front.build())
    try:
        with open_snapshot(path) as snapshot, restore(snapshot) as machine:
            saved = machine.save()
            assert saved == native(msgspec.json.decode(msgspec.json.encode(portable(saved))))
    except ThawvisorError:
        refused(path, front.build())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda front: setattr(front, "version", VERSION + 1), f"version {VERSION + 1} is not {VERSION}"),
        (lambda front: setattr(front, "runs", front.phdrs), "cannot be"),
        (lambda front: front.header.update(virtual_ns=1), "not the time of its hart"),
        (lambda front: front.header.update(pages_saved=1), "pages_saved 1 is not what the runs have"),
        (
            lambda front: front.header["machine"].update(ram_size=RAM + 4096),
            "balloon.ballooned: 1024 bytes, expected 1025",
        ),
        (lambda front: front.header["machine"].update(kernel="0" * 64), "kernel: .*give the same -kernel"),
        (lambda front: front.header["machine"]["disks"][0].update(size=1), "size of disk 0"),
        (lambda front: front.header["state"]["uart"].update(fcr=255), "uart.fcr"),
        (lambda front: front.header["state"].update(power={"action": "dance", "code": 0}), "power.action"),
        (lambda front: front.header["state"]["plic"].update(level=[-1]), "plic.level"),
        (lambda front: front.header["state"].update(rtc={"hex": "0g"}), "state: non-hexadecimal"),
        (lambda front: front.header["parts"].update(kernel="/nowhere"), "kernel /nowhere: no such file"),
        (lambda front: front.header["parts"].update(bios="/dev/zero"), "firmware /dev/zero: not a regular"),
    ],
)
def test_the_message_names_the_field(
    good: bytes, path: Path, change: Callable[[Front], None], message: str
) -> None:
    """What is wrong is said by name."""
    front = Front(good)
    change(front)
    assert re.search(message, str(refused(path, front.build())))


@pytest.mark.parametrize("depth", [300, 5000])
def test_nesting_without_end_is_refused(good: bytes, path: Path, depth: int) -> None:
    """JSON deeper than a stack is a damaged state like another."""
    front = Front(good)
    front.header["state"]["rtc"] = msgspec.Raw(b"[" * depth + b"]" * depth)
    assert isinstance(refused(path, front.build()), ImageError)


@given(pages=st.lists(st.booleans(), min_size=1, max_size=60), limit=st.integers(1, 10))
def test_joined_runs_cover_all_with_the_fewest_pages(pages: list[bool], limit: int) -> None:
    """At most `limit` runs, in order, that cover every page; without need, nothing else."""
    flags = np.array(pages)
    spans = join(flags, limit)
    assert len(spans) <= limit
    covered = np.zeros(len(pages), np.bool_)
    behind = -1
    for first, end in spans:
        assert behind < first < end
        behind = end
        covered[first:end] = True
    assert not (flags & ~covered).any()
    gaps = sorted(
        len(gap) for gap in "".join("x" if page else "." for page in pages).strip(".").split("x") if gap
    )
    needless = int((covered & ~flags).sum())
    assert needless == sum(gaps[: max(len(gaps) + 1 - limit, 0)]) if flags.any() else needless == 0


def test_a_name_that_json_cannot_hold_is_said_at_once(good: bytes, path: Path) -> None:
    """A machine whose kernel's name is no UTF-8, or has a line end, cannot be kept under that name."""
    path.write_bytes(good)
    with open_snapshot(path) as snapshot:
        config = snapshot.config
        for name in (b"kernel\xff".decode("utf-8", "surrogateescape"), "kernel\n"):
            kernel = path.with_name(name)
            kernel.write_bytes(config.kernel.read_bytes())
            with (
                restore(snapshot, replace(config, kernel=kernel)) as machine,
                pytest.raises(ConfigError, match="rename"),
            ):
                write_snapshot(path.with_name("other"), machine)


def test_a_place_that_cannot_be_written_is_a_host_error(good: bytes, path: Path) -> None:
    """A folder that is not there is refused in one line, and nothing is left behind."""
    path.write_bytes(good)
    with (
        open_snapshot(path) as snapshot,
        restore(snapshot) as machine,
        pytest.raises(HostError, match=r"snapshot .*: cannot be written"),
    ):
        write_snapshot(path.with_name("missing") / "file", machine)
    assert list(path.parent.iterdir()) == [path]
