"""Symbols and backtraces, on the images that the package carries."""

import re
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.memory import GuestMemory
from hv import board, images
from hv.backtrace import FRAMES_MAX, Frame, describe_frame, walk_stackframe
from hv.elf import read_elf
from hv.errors import ImageError
from hv.files import open_file
from hv.symbols import Symbols, SymbolTable
from tests.harness.elf import Load, make_elf
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu import Qemu

IMAGES = (images.FIRMWARE, images.GUEST)

each_image = pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    """Symbols of firmware and guest."""
    return Symbols(IMAGES)


@cache
def list_functions(path: Path) -> dict[str, tuple[int, int]]:
    """Return (address, size) of the functions that the symbol table says the size of; the slow way."""
    with path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        entries = [(symbol.name, symbol.entry) for symbol in table.iter_symbols()]
    return {
        name: (entry["st_value"], entry["st_size"])
        for name, entry in entries
        if entry["st_info"]["type"] == "STT_FUNC" and entry["st_size"]
    }


@each_image
def test_every_function_is_found_from_end_to_end(path: Path) -> None:
    """First and last byte of each function have its name, at its virtual and at its physical address."""
    table = SymbolTable(path)
    with open_file(path, "image") as file:
        to_physical = read_elf(file, "image").segments[0].to_physical
    functions = list_functions(path)
    for start, size in functions.values():
        for address in (start, start + to_physical):
            first, last = table.function(address), table.function(address + size - 1)
            assert first is not None
            assert last is not None
            assert (functions[first.name][0], first.offset) == (start, 0)
            assert (last.name, last.offset) == (first.name, size - 1)
            assert first.size >= size


@each_image
def test_what_is_no_code_has_no_function(path: Path) -> None:
    """Data, and addresses outside the image, belong to no function."""
    table = SymbolTable(path)
    with open_file(path, "image") as file:
        data = read_elf(file, "image").segments[-1]
    for address in (0, 1, data.vaddr + data.memsz - 1, data.paddr + data.memsz, (1 << 64) - 1):
        assert table.function(address) is None


@pytest.mark.peers
@pytest.mark.skipif(not shutil.which("llvm-addr2line"), reason="llvm-addr2line is missing: apt install llvm")
@each_image
def test_lines_are_llvms(path: Path) -> None:
    """For addresses all over the code, file and line are those that llvm-addr2line names."""
    addresses = [start + size // 3 & ~1 for start, size in list_functions(path).values()]
    command = ["llvm-addr2line", "-e", str(path), *map(hex, addresses)]
    theirs = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    ).stdout.split("\n")
    table = SymbolTable(path)
    for address, line in zip(addresses, theirs, strict=False):
        ours = table.line(address)
        named = re.fullmatch(r"/src/(.+:[1-9]\d*)(?: .*)?", line)
        assert ours == (named[1] if named else None), hex(address)


def test_an_image_without_symbols_knows_nothing(tmp_path: Path) -> None:
    """A stripped image is fine: it just has no answers."""
    stripped = tmp_path / "stripped"
    stripped.write_bytes(make_elf(Load(b"code", board.KERNEL_BASE), entry=board.KERNEL_BASE))
    table = SymbolTable(stripped)
    assert table.function(board.KERNEL_BASE) is None
    assert table.line(board.KERNEL_BASE) is None


def test_an_image_that_was_built_anew_gives_no_lines(tmp_path: Path) -> None:
    """Lines are read late: of a file that is another one by then, or gone, there are none."""
    copy = tmp_path / "copy.elf"
    shutil.copy(images.FIRMWARE, copy)
    first, second, third = (SymbolTable(copy) for _ in range(3))
    assert first.line(board.FIRMWARE_BASE)
    shutil.copy(images.FIRMWARE, tmp_path / "new.elf")
    (tmp_path / "new.elf").replace(copy)
    assert second.line(board.FIRMWARE_BASE) is None
    copy.unlink()
    assert third.line(board.FIRMWARE_BASE) is None
    assert first.line(board.FIRMWARE_BASE)
    assert second.function(board.FIRMWARE_BASE)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "no such file"),
        (b"", "truncated"),
        (b"\x7fELF" + bytes(60), "machine 0"),
        (bytes(64), "not an ELF"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    """A file that cannot have symbols of ours is refused in one line."""
    path = tmp_path / "bad.elf"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ImageError, match=rf"symbols of {re.escape(str(path))}: .*{reason}"):
        Symbols([path])


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_image_is_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is changed in headers, sections, symbols or DWARF, there is an ImageError or an answer."""
    damaged = bytearray(images.FIRMWARE.read_bytes())
    (sections,) = struct.unpack_from("<Q", damaged, 40)
    spots = st.one_of(
        st.integers(0, 63), st.integers(sections, len(damaged) - 1), st.integers(0, len(damaged) - 1)
    )
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(spots)] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    path = tmp_path / "damaged.elf"
    path.write_bytes(damaged)
    try:
        table = SymbolTable(path)
    except ImageError:
        return
    for address in (board.FIRMWARE_BASE, board.FIRMWARE_BASE + 0x400, 0, (1 << 64) - 1):
        table.function(address)
        table.line(address)


STACK = board.DRAM_BASE + 0x10_0000
OFFSET = 0xFFFF_FFC0_0000_0000
"""What the pretended kernel's linear map adds to a physical address."""


class Stack:
    """Guest memory with a stack in it, and the walk over it."""

    def __init__(self, symbols: Symbols) -> None:
        self.memory = GuestMemory.allocate(board.DRAM_BASE, board.RAM_MIN)
        self.symbols = symbols
        functions = sorted(address for address, size in list_functions(images.GUEST).values() if size > 16)
        self.functions = functions[: FRAMES_MAX + 10]

    def push(self, fp: int, return_address: int, caller_fp: int) -> None:
        """Write a frame whose frame pointer is `fp` (virtual)."""
        self.memory.write(fp - 16 - OFFSET, struct.pack("<QQ", caller_fp, return_address))

    def walk(self, pc: int, ra: int, fp: int) -> list[int]:
        """Return the addresses of the backtrace."""
        frames = walk_stackframe(self.symbols, pc, ra, fp, self.memory.read, self.translate)
        assert [frame.is_return for frame in frames] == [False] + [True] * (len(frames) - 1)
        return [frame.address for frame in frames]

    @staticmethod
    def translate(address: int) -> int | None:
        """Map what is above OFFSET."""
        return address - OFFSET if address >= OFFSET else None


@pytest.fixture
def stack(symbols: Symbols) -> Stack:
    """An empty stack."""
    return Stack(symbols)


def chain(stack: Stack, count: int, last_fp: int = 0) -> tuple[int, list[int]]:
    """Push `count` frames; return the innermost fp, and the return addresses from there outwards."""
    fps = [STACK + OFFSET + 64 * number for number in range(count)]
    returns = [start + 8 for start in stack.functions[1 : count + 1]]
    for fp, address, caller in zip(fps, returns, [*fps[1:], last_fp], strict=True):
        stack.push(fp, address, caller)
    return fps[0], returns


def test_the_chain_is_followed_to_its_end(stack: Stack) -> None:
    """Every frame is there, innermost first, and fp = 0 ends the walk."""
    fp, returns = chain(stack, 5)
    pc = stack.functions[0] + 4
    assert stack.walk(pc, returns[0], fp) == [pc, *returns]


@pytest.mark.parametrize(
    "last_fp",
    [STACK + OFFSET + 4, STACK + OFFSET, 8, 0x1000, OFFSET, OFFSET + 16, (1 << 64) - 8],
    ids=["misaligned", "loop", "wraps", "not mapped", "no RAM", "below RAM", "end of addresses"],
)
def test_a_broken_chain_ends_the_walk(stack: Stack, last_fp: int) -> None:
    """Behind a frame pointer that cannot be right nothing more is reported, and the frames before it are."""
    fp, returns = chain(stack, 3, last_fp)
    pc = stack.functions[0] + 4
    assert stack.walk(pc, 0, fp) == [pc, *returns]


def test_a_walk_is_bounded(stack: Stack) -> None:
    """A chain without end is cut."""
    fp, returns = chain(stack, FRAMES_MAX + 5)
    assert stack.walk(stack.functions[0], 0, fp) == [stack.functions[0], *returns[: FRAMES_MAX - 1]]


def test_a_function_without_a_frame_is_not_left_out(stack: Stack) -> None:
    """Before a function has built its frame its caller is known from ra, and so is who jumped to NULL."""
    fp, returns = chain(stack, 2)
    caller = stack.functions[10] + 6
    pc = stack.functions[0]
    assert stack.walk(pc, caller, fp) == [pc, caller, *returns]
    assert stack.walk(0, caller, fp) == [0, caller, *returns]


def test_a_stale_return_address_is_ignored(stack: Stack) -> None:
    """ra that points into the running function itself is left over from a call that has returned."""
    fp, returns = chain(stack, 2)
    pc = stack.functions[0] + 8
    assert stack.walk(pc, pc - 4, fp) == [pc, *returns]


@given(st.data())
def test_any_memory_can_be_walked(symbols: Symbols, data: st.DataObject) -> None:
    """Whatever registers and stack hold, the walk ends, and each frame can be printed in one line."""
    stack = Stack(symbols)
    words = st.one_of(
        st.integers(0, (1 << 64) - 1),
        st.integers(0, 40).map(lambda number: STACK + OFFSET + 8 * number),
        st.sampled_from(stack.functions),
    )
    content = data.draw(st.lists(words, max_size=40))
    stack.memory.write(STACK, struct.pack(f"<{len(content)}Q", *content))
    pc, ra, fp = (data.draw(words) for _ in range(3))
    addresses = stack.walk(pc, ra, fp)
    assert len(addresses) <= FRAMES_MAX + 1
    for address in addresses:
        line = describe_frame(symbols, Frame(address, address != pc))
        known = r"\S+\+0x[0-9a-f]+/0x[0-9a-f]+( \S+:\d+)?"
        assert re.fullmatch(rf"\[<{address:016x}>\] ({known}|\(unknown\))", line)


def test_a_call_at_the_end_of_a_function_is_that_functions(symbols: Symbols) -> None:
    """A return address just behind a function belongs to the call before it, as Linux prints it."""
    table = SymbolTable(images.GUEST)
    _, (start, _) = sorted(list_functions(images.GUEST).items())[0]
    function = table.function(start)
    assert function is not None
    end = start + function.size
    assert describe_frame(symbols, Frame(end, True)).startswith(
        f"[<{end:016x}>] {function.name}+{function.size:#x}/{function.size:#x}"
    )


@pytest.mark.peers
def test_a_guest_on_qemu_has_a_whole_backtrace(symbols: Symbols, tmp_path: Path) -> None:
    """A real guest, stopped at its prompt, gives a chain of known functions, none of them twice."""
    with Qemu(images.FIRMWARE, images.GUEST) as qemu:
        qemu.console.expect(r"thaw:0> ")
        qemu.qmp.execute("stop")
        text = qemu.qmp.execute("human-monitor-command", **{"command-line": "info registers"})
        found = re.findall(r"\b(pc|x\d+)(?:/\w+)?\s+([0-9a-f]{16})", text)
        registers = {name: int(value, 16) for name, value in found}

        def read_qemu(address: int, length: int) -> bytes:
            qemu.qmp.execute("pmemsave", val=address, size=length, filename=str(tmp_path / "dump"))
            return (tmp_path / "dump").read_bytes()

        frames = walk_stackframe(
            symbols,
            registers["pc"],
            registers["x1"],
            registers["x8"],
            read_qemu,
            lambda address: address - OFFSET if address >= OFFSET else address,
        )
    lines = [describe_frame(symbols, frame) for frame in frames]
    assert len(lines) > 1
    assert len(set(lines)) == len(lines)
    assert all(re.search(r" \w+\+0x[0-9a-f]+/0x[0-9a-f]+", line) for line in lines), lines
