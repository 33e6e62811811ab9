"""The firmware's device tree code, compiled for this host: against another reader, and against bad trees."""

import ctypes
import mmap
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv import board
from hv.dtb import board_tree
from hv.errors import ImageError
from hv.fdt import (
    FDT_BEGIN_NODE,
    FDT_END,
    FDT_END_NODE,
    FDT_NOP,
    FDT_PROP,
    DeviceTree,
    Node,
    cells,
    decode,
    text,
)
from hv.images.build import board_header, zig_cc

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("fdt.c", "fdt_fixup.c", "string.c")
GROWTH = 192
"""FDT_RESERVE_GROWTH of firmware/fdt_fixup.c, bytes."""

PROT_NONE = 0


class Firmware:
    """fdt.c and fdt_fixup.c as a shared library, working on trees that end at an unreadable page.

    Args:
        library: the library.
    """

    ROOM = 1 << 16

    def __init__(self, library: Path) -> None:
        self._c = ctypes.CDLL(str(library))
        for name in ("fdt_check", "fdt_find_reg", "fdt_reserve_firmware"):
            getattr(self._c, name).restype = ctypes.c_bool
        self._map = mmap.mmap(-1, self.ROOM + mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        assert not ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + self.ROOM), mmap.PAGESIZE, PROT_NONE)
        self._end = start + self.ROOM
        self.tree = self._end

    def load(self, tree: bytes, room: int = 0) -> bool:
        """Put a tree and `room` bytes right before the unreadable page; return fdt_check's verdict."""
        self._size = len(tree) + room
        self.tree = (self._end - self._size) & ~7
        ctypes.memmove(self.tree, tree, len(tree))
        return bool(self._c.fdt_check(ctypes.c_void_p(self.tree)))

    def find_reg(self, name: str, value: str) -> tuple[int, int] | None:
        """fdt_find_reg on the loaded tree."""
        base, size = ctypes.c_uint64(), ctypes.c_uint64()
        tree, key, wanted = ctypes.c_void_p(self.tree), name.encode(), value.encode()
        found = self._c.fdt_find_reg(tree, key, wanted, ctypes.byref(base), ctypes.byref(size))
        return (base.value, size.value) if found else None

    def reserve(self) -> bool:
        """fdt_reserve_firmware on the loaded tree, with the room that it was loaded with."""
        return bool(self._c.fdt_reserve_firmware(ctypes.c_void_p(self.tree), ctypes.c_uint64(self._size)))

    def contents(self) -> bytes:
        """Return the loaded tree with the room behind it."""
        return ctypes.string_at(self.tree, self._size)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """The code under test; undefined behaviour in it traps."""
    folder = tmp_path_factory.mktemp("fdt")
    (folder / "board.h").write_text(board_header(ROOT))
    library = folder / "libfdt.so"
    sources = [str(ROOT / "firmware" / name) for name in SOURCES]
    flags = [
        "-shared",
        "-fPIC",
        "-O1",
        "-ffreestanding",
        "-std=gnu17",
        "-fsanitize=undefined",
        "-fsanitize-trap=undefined",
    ]
    includes = [f"-I{ROOT / 'firmware' / 'include'}", f"-I{folder}"]
    target = ["-target", f"{platform.machine()}-linux-gnu", "-Wl,-Bsymbolic", "-nostdlib"]
    zig_cc([*target, *flags, *includes, *sources, "-o", str(library)], ROOT / ".zig-cache")
    return Firmware(library)


names = st.text("abcdefg,-#@019", min_size=1, max_size=12)
properties = st.dictionaries(names, st.binary(max_size=12), max_size=4)
trees = st.recursive(
    st.builds(Node, properties),
    lambda children: st.builds(Node, properties, st.dictionaries(names, children, max_size=4)),
)


@given(
    tree=trees,
    address=st.integers(0, 3),
    size=st.integers(0, 3),
    reg=st.binary(max_size=24),
    other=st.booleans(),
)
def test_a_device_is_found_by_name_with_its_parents_cells(
    firmware: Firmware, tree: Node, address: int, size: int, reg: bytes, other: bool
) -> None:
    """Whatever else is in the tree, `reg` is read with the parent's cells, or not at all."""
    bus = Node({"#address-cells": cells(address), "#size-cells": cells(size)})
    bus.children["device"] = Node(
        {"compatible": text("x", "wanted", "y") if other else text("wanted"), "reg": reg}
    )
    tree.children["~bus"] = bus
    assert firmware.load(DeviceTree(tree).encode())
    usable = 1 <= address <= 2 and size <= 2 and len(reg) >= 4 * (address + size)
    base, length = reg[: 4 * address], reg[4 * address : 4 * (address + size)]
    assert firmware.find_reg("compatible", "wanted") == (
        (int.from_bytes(base), int.from_bytes(length)) if usable else None
    )
    assert firmware.find_reg("compatible", "want") is None


def test_our_own_boards_tree_tells_ram_and_sleep_register(firmware: Firmware) -> None:
    """On our machine the firmware finds RAM and the platform-sleep register, and adds nothing to the tree."""
    tree = board_tree(64 * board.MIB).encode()
    assert firmware.load(tree)
    assert firmware.find_reg("device_type", "memory") == (board.DRAM_BASE, 64 * board.MIB)
    sleep = (board.TEST.base + board.SLEEP_OFFSET, 4)
    assert firmware.find_reg("compatible", "thawvisor,platform-sleep") == sleep
    assert firmware.reserve()
    assert firmware.contents() == tree


@given(tree=trees, address=st.integers(1, 2), size=st.integers(1, 2), padding=st.integers(0, 64))
def test_a_reservation_changes_nothing_else(
    firmware: Firmware, tree: Node, address: int, size: int, padding: int
) -> None:
    """The grown tree reads as the old one plus /reserved-memory, in the root's cells, whatever was in it."""
    addressing = {"#address-cells": cells(address), "#size-cells": cells(size)}
    tree.properties |= addressing
    flat = DeviceTree(tree).encode()
    total = len(flat) + padding
    flat = flat[:4] + total.to_bytes(4) + flat[8:] + bytes(padding)
    assert firmware.load(flat, GROWTH)
    assert firmware.reserve()
    grown = firmware.contents()
    assert firmware.load(grown)
    root = decode(grown).root
    reserved = root.children.pop("reserved-memory")
    reg = board.FIRMWARE_BASE.to_bytes(4 * address) + board.FIRMWARE_SIZE.to_bytes(4 * size)
    region = Node({"reg": reg, "no-map": b""})
    assert reserved == Node(addressing | {"ranges": b""}, {f"firmware@{board.FIRMWARE_BASE:x}": region})
    assert root == tree


@given(tree=trees, room=st.integers(0, GROWTH - 1))
def test_a_tree_without_room_is_refused_untouched(firmware: Firmware, tree: Node, room: int) -> None:
    """Where the tree cannot grow, the firmware says so and leaves it as it was."""
    tree.properties |= {"#address-cells": cells(2), "#size-cells": cells(2)}
    assert firmware.load(DeviceTree(tree).encode(), room)
    before = firmware.contents()
    assert not firmware.reserve()
    assert firmware.contents() == before


SMALL_TREE = DeviceTree(
    Node(
        {"#address-cells": cells(2), "#size-cells": cells(2)},
        {
            "memory@80000000": Node({"device_type": text("memory"), "reg": cells(0, 1 << 31, 0, 1 << 26)}),
            "soc": Node(
                {"compatible": text("simple-bus", "x"), "#address-cells": cells(1), "#size-cells": cells(1)},
                {"sleep@100008": Node({"compatible": text("wanted"), "reg": cells(0x100008, 4)})},
            ),
            "nops": Node({"compatible": cells(FDT_NOP, FDT_NOP)}),  # a length that wraps finds tokens here
        },
    ),
    strings=b"-----\0",  # a total of whole 8 bytes leaves no slack before the unreadable page
)


def structure_last(flat: bytes) -> bytes:
    """Return the same tree with its strings before the structure block."""
    header = [int.from_bytes(flat[at : at + 4]) for at in range(0, 40, 4)]
    structure = flat[header[2] : header[2] + header[9]]
    strings = flat[header[3] : header[3] + header[8]]
    header[2], header[3] = header[2] + header[8], header[2]
    return b"".join(word.to_bytes(4) for word in header) + flat[40 : header[3]] + strings + structure


@pytest.mark.parametrize("arrange", [bytes, structure_last])
def test_a_broken_tree_is_never_read_past_its_end(
    firmware: Firmware, arrange: Callable[[bytes], bytes]
) -> None:
    """Any word replaced by any troublemaker: no read beyond the tree; another reader agrees on refusals."""
    flat = arrange(SMALL_TREE.encode())
    assert len(flat) % 8 == 0
    assert firmware.load(flat)
    assert firmware.find_reg("compatible", "wanted") == (0x100008, 4)
    replacements = {0, 1, 2, 3, 4, 9, 16, len(flat) - 4, len(flat), 1 << 31, (1 << 32) - 4, (1 << 32) - 1}
    for at in range(0, len(flat), 4):
        for word in replacements:
            spoilt = flat[:at] + word.to_bytes(4) + flat[at + 4 :]
            if int.from_bytes(spoilt[4:8]) > len(flat):
                continue  # a tree that claims memory behind it cannot be told from a longer one
            if firmware.load(spoilt):
                firmware.find_reg("device_type", "memory")
                firmware.find_reg("compatible", "not there")
                firmware.reserve()
            else:
                with pytest.raises(ImageError):
                    decode(spoilt)


@given(cut=st.integers(1, 80))
def test_a_tree_that_is_cut_short_is_refused(firmware: Firmware, cut: int) -> None:
    """A structure block without its end is no tree, wherever it is cut."""
    flat = structure_last(SMALL_TREE.encode())
    size = int.from_bytes(flat[36:40]) - cut
    assert not firmware.load(
        flat[:4] + (len(flat) - cut).to_bytes(4) + flat[8:36] + size.to_bytes(4) + flat[40:-cut]
    )


@pytest.mark.parametrize(
    "tokens",
    [
        [FDT_END_NODE, FDT_BEGIN_NODE, 0, FDT_END],
        [FDT_PROP, 0, 0, FDT_BEGIN_NODE, 0, FDT_END_NODE, FDT_END],
        [FDT_BEGIN_NODE, 0, FDT_END],
        [FDT_BEGIN_NODE, 0, FDT_END_NODE],
        [FDT_BEGIN_NODE, 0, 5, FDT_END_NODE, FDT_END],
        [],
    ],
)
def test_tokens_out_of_order_are_refused(firmware: Firmware, tokens: list[int]) -> None:
    """Nodes that end before they begin or never, properties outside nodes, unknown tokens: no tree."""
    good = [FDT_BEGIN_NODE, 0, FDT_NOP, FDT_END_NODE, FDT_END]
    for sequence, verdict in ((good, True), (tokens, False)):
        structure, strings = cells(*sequence), text("name")
        sizes = (len(strings), len(structure))
        total = 40 + 16 + sum(sizes)
        header = cells(0xD00DFEED, total, 56, 56 + len(structure), 40, 17, 16, 0, *sizes)
        assert firmware.load(header + bytes(16) + structure + strings) is verdict


@given(depth=st.integers(1, 80))
def test_depth_is_bounded(firmware: Firmware, depth: int) -> None:
    """32 nested nodes are a tree, more are refused."""
    node = Node()
    for _ in range(depth - 1):
        node = Node({}, {"n": node})
    assert firmware.load(DeviceTree(node).encode()) == (depth <= 32)
    if depth <= 32:
        assert firmware.find_reg("compatible", "wanted") is None
