"""The device tree: the format against libfdt's own tools, the board against QEMU's."""

import contextlib
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hv import board
from hv.dtb import board_tree
from hv.errors import ConfigError, ImageError
from hv.fdt import FDT_MAX_DEPTH, FDT_NOP, DeviceTree, Node, cells, decode, text, wide
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu_process import find_qemu

FULL = board_tree(256 * board.MIB, "console=ttyS0 resume=vda", (0x8820_0000, 0x8830_0000))

ABSENT_IN_OURS = {"/pmu", "/fw-cfg@10100000", "/flash@20000000", "/platform-bus@4000000", "/soc/pci@30000000"}
"""Devices of QEMU's that our board lacks."""

OUR_OWN = {
    "/reserved-memory",
    "/reserved-memory/firmware@80000000",
    "/soc/test@100000/sleep@100008",
    "/soc/gpio@10060000",
    "/gpio-keys",
    "/gpio-keys/poweroff",
}

DIFFERENT = {
    ("/", "model"),
    ("/chosen", "rng-seed"),  # random in QEMU
    ("/cpus/cpu@0", "riscv,isa"),
    ("/cpus/cpu@0", "mmu-type"),
    ("/soc/plic@c000000", "riscv,ndev"),  # QEMU 7.2 counts source 0, which does not exist
}

needs_dtc = pytest.mark.skipif(
    not shutil.which("dtc"), reason="dtc is missing: apt install device-tree-compiler"
)

names = st.text("reg,-#@0", min_size=1, max_size=6)  # few letters: many names end in another
properties = st.dictionaries(names, st.binary(max_size=9), max_size=4)
nodes = st.recursive(
    st.builds(Node, properties),
    lambda children: st.builds(Node, properties, st.dictionaries(names, children, max_size=3)),
    max_leaves=8,
)
address = st.integers(0, (1 << 64) - 1)
trees = st.builds(
    DeviceTree,
    nodes,
    st.lists(st.tuples(address, address).filter(any), max_size=3),
    st.integers(0, (1 << 32) - 1),
)


def dtc(data: bytes, output: str) -> subprocess.CompletedProcess[bytes]:
    """Let dtc read a flattened tree and write it as `output` (dts, dtb)."""
    command = ["dtc", "-I", "dtb", "-O", output, "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The tree that QEMU makes for the same amount of RAM."""
    path = tmp_path_factory.mktemp("qemu") / "virt.dtb"
    machine = [
        "-machine",
        f"virt,dumpdtb={path}",
        "-cpu",
        "rv64",
        "-m",
        "256M",
        "-bios",
        "none",
        "-nographic",
    ]
    subprocess.run([find_qemu(), *machine], capture_output=True, check=True, timeout=PATIENCE_S)
    data = path.read_bytes()
    return data[: struct.unpack_from(">I", data, 4)[0]]


def walk(node: Node, path: str = "") -> dict[str, Node]:
    """Return every node below and including this one, by path."""
    found = {path or "/": node}
    for name, child in node.children.items():
        found |= walk(child, f"{path}/{name}")
    return found


@pytest.mark.peers
@needs_dtc
@pytest.mark.parametrize("tree", [FULL, board_tree(8 * board.GIB)], ids=["full", "bare"])
def test_dtc_has_nothing_to_say_about_the_board(tree: DeviceTree) -> None:
    """dtc reads our tree without a warning and writes the very same bytes."""
    done = dtc(tree.encode(), "dtb")
    assert done.stderr == b""
    assert done.stdout == tree.encode()


@given(trees)
def test_what_is_encoded_decodes_to_the_same_tree(tree: DeviceTree) -> None:
    """Decoding gives back nodes, order, reservations and boot CPU, and encodes to the same bytes."""
    back = decode(tree.encode())
    assert back == DeviceTree(tree.root, tree.reservations, tree.boot_cpu, back.strings)
    assert list(walk(back.root)) == list(walk(tree.root))
    assert back.encode() == tree.encode()


@pytest.mark.peers
@needs_dtc
def test_qemus_tree_survives_a_round_trip(qemu: bytes) -> None:
    """QEMU's tree is written back byte for byte, but for the garbage that libfdt leaves in its padding."""
    ours = decode(qemu).encode()
    assert len(ours) == len(qemu)
    assert {new for new, old in zip(ours, qemu, strict=True) if new != old} <= {0}
    assert dtc(ours, "dts").stdout == dtc(qemu, "dts").stdout


@pytest.mark.peers
def test_the_board_is_qemus(qemu: bytes) -> None:
    """Every node of ours is QEMU's, property for property, or one of our few additions."""
    ours, theirs = walk(board_tree(256 * board.MIB).root), walk(decode(qemu).root)
    assert set(ours) - set(theirs) == OUR_OWN
    assert set(theirs) - set(ours) == ABSENT_IN_OURS
    differences = {
        (path, name)
        for path in set(ours) & set(theirs)
        for name, value in theirs[path].properties.items()
        if ours[path].properties.get(name) != value
    }
    assert differences == DIFFERENT


def test_the_sleep_register_is_named_by_its_absolute_address() -> None:
    """The platform-sleep node says which four bytes to write, inside the finisher's window."""
    test = FULL.root.find("/soc/test@100000")
    sleep = FULL.root.find("/soc/test@100000/sleep@100008")
    assert test is not None
    assert sleep is not None
    assert sleep.properties["compatible"] == text("thawvisor,platform-sleep")
    assert sleep.properties["reg"] == wide(board.TEST.base + board.SLEEP_OFFSET, 4)
    assert test.properties["ranges"] == b""


def test_the_caller_s_words_are_in_chosen() -> None:
    """Command line and initrd reach /chosen; without them the properties are not there at all."""
    chosen = FULL.root.find("/chosen")
    bare = board_tree(board.RAM_MIN).root.find("/chosen")
    assert chosen is not None
    assert bare is not None
    assert chosen.properties["bootargs"] == text("console=ttyS0 resume=vda")
    assert chosen.properties["linux,initrd-start"] == cells(0, 0x8820_0000)
    assert chosen.properties["linux,initrd-end"] == cells(0, 0x8830_0000)
    assert set(bare.properties) == {"stdout-path", "rng-seed"}


def test_a_nul_in_the_command_line_is_refused() -> None:
    """A NUL would cut the command line off, so it is a ConfigError."""
    with pytest.raises(ConfigError, match="NUL"):
        board_tree(board.RAM_MIN, "quiet\0panic")


def test_nop_tokens_are_passed_over() -> None:
    """A tree with FDT_NOP between its tokens decodes like the one without."""
    plain = DeviceTree(Node({"a": b"1234"}, {"child": Node()})).encode()
    struct_at, strings_at, size = 56, *struct.unpack_from(">I20xI", plain, 12)
    block = plain[struct_at:strings_at]
    child = block.index(cells(1) + b"child")
    padded = block[:child] + cells(FDT_NOP, FDT_NOP) + block[child:]
    header = bytearray(plain[:struct_at])
    for at, value in ((4, len(plain) + 8), (12, strings_at + 8), (36, size + 8)):
        struct.pack_into(">I", header, at, value)
    assert decode(bytes(header) + padded + plain[strings_at:]).root == decode(plain).root


def nested(depth: int) -> bytes:
    """Return a tree whose deepest node is at `depth`, the root being 1."""
    node = Node()
    for _ in range(depth - 1):
        node = Node(children={"n": node})
    return DeviceTree(node).encode()


def test_nesting_is_bounded() -> None:
    """The deepest tree allowed is read, one deeper is refused."""
    assert len(walk(decode(nested(FDT_MAX_DEPTH)).root)) == FDT_MAX_DEPTH
    with pytest.raises(ImageError, match=f"over {FDT_MAX_DEPTH} deep"):
        decode(nested(FDT_MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, 0xEDFE0DD0, "magic"),
        (20, 16, "version 16"),
        (24, 18, "version 17 .compatible back to 18"),
        (4, 1 << 21, "totalsize"),
        (8, 1 << 31, "structure block"),
        (12, 1 << 31, "strings block"),
        (16, 1 << 31, "reservation map"),
        (36, 4, "runs? out of"),
        (56, 9, "root node"),
    ],
)
def test_a_bad_header_is_named(offset: int, value: int, reason: str) -> None:
    """Each header field that lies is refused in one line that says which one it was."""
    data = bytearray(FULL.encode())
    struct.pack_into(">I", data, offset, value)
    with pytest.raises(ImageError, match=reason) as error:
        decode(bytes(data))
    assert "\n" not in str(error.value)


@given(st.data())
def test_a_damaged_tree_is_refused_or_read(data: st.DataObject) -> None:
    """Whatever is changed or cut, decoding ends in an ImageError or in a tree that can be written again."""
    damaged = bytearray(FULL.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 64)) * data.draw(st.booleans())
    with contextlib.suppress(ImageError):
        tree = decode(bytes(damaged[: len(damaged) - cut]))
        assert decode(tree.encode()) == tree


def test_a_tree_file_too_short_for_a_header_is_refused() -> None:
    """Fewer bytes than a header are no tree."""
    with pytest.raises(ImageError, match="too short"):
        decode(FULL.encode()[:39])
