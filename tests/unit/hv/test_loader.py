"""Boot plans: where everything lies, what is written, and which files are refused."""

import contextlib
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.memory import GuestMemory
from hv import board, images
from hv.errors import ImageError
from hv.fdt import decode
from hv.loader import BootPlan, plan_boot
from tests.harness.elf import EHDR, Load, make_elf
from tests.harness.qemu_process import QemuProcess

FIRMWARE = make_elf(Load(b"firmware", board.FIRMWARE_BASE, 0x5000), entry=board.FIRMWARE_BASE)
KERNEL = make_elf(
    Load(b"text", board.KERNEL_BASE, vaddr=0xFFFF_FFC0_0000_0000),
    Load(b"data" * 2000, board.KERNEL_BASE + 0x1000, 0x5123, vaddr=0xFFFF_FFC0_0000_1000),
    entry=0xFFFF_FFC0_0000_0002,
)
OPENSBI = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic")

MIB = board.MIB


def linux_image(size: int, image_size: int, text_offset: int = 0x20_0000, flags: int = 0) -> bytes:
    """Return a RISC-V Image whose header says this, filled up to `size` bytes."""
    header = struct.pack(
        "<IIQQQIIQ8s4sI", 0x5A4D, 0, text_offset, image_size, flags, 2, 0, 0, b"RISCV", b"RSC\5", 0
    )
    return header.ljust(size, b"\x13")


class Files:
    """Files of a boot in a folder of their own; `plan` reads them."""

    def __init__(self, folder: Path) -> None:
        self.bios, self.kernel, self.initrd = folder / "bios", folder / "kernel", folder / "initrd"
        self.bios.write_bytes(FIRMWARE)
        self.kernel.write_bytes(KERNEL)

    def plan(self, ram: int = 64 * MIB, append: str = "") -> BootPlan:
        """Plan a boot; with an initrd when there is one."""
        return plan_boot(ram, self.bios, self.kernel, self.initrd if self.initrd.exists() else None, append)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A firmware and a kernel that boot."""
    return Files(tmp_path)


def initrd_range(plan: BootPlan) -> tuple[int, int]:
    """Return what /chosen says of the initrd."""
    chosen = decode(plan.tree).root.children["chosen"].properties
    (start,), (end,) = (struct.unpack(">Q", chosen[f"linux,initrd-{edge}"]) for edge in ("start", "end"))
    return start, end


@settings(max_examples=40)
@given(
    ram=st.integers(32, 8192),
    kernel=st.integers(1, 40 * MIB),
    initrd=st.integers(1, 24 * MIB),
    append=st.text("ab =", max_size=5000),
)
def test_a_plan_fits(files: Files, ram: int, kernel: int, initrd: int, append: str) -> None:
    """Whatever is booted, all of it is in RAM, nothing lies over another, or the plan is refused."""
    files.kernel.write_bytes(linux_image(64, kernel))
    with files.initrd.open("wb") as file:
        file.truncate(initrd)
    ram *= MIB
    kernel_pages = -(-kernel // board.PAGE_SIZE) * board.PAGE_SIZE
    needed = 2 * MIB + max(min(ram // 2, 128 * MIB), kernel_pages) + initrd + 4 * MIB
    if needed > min(ram, board.GIB):
        with contextlib.suppress(ImageError):
            check_plan(files.plan(ram, append), ram, initrd)
    else:
        check_plan(files.plan(ram, append), ram, initrd)


def check_plan(plan: BootPlan, ram: int, initrd: int) -> None:
    """Assert that the parts of a plan are in RAM, apart, and aligned."""
    last = board.DRAM_BASE
    for blob in sorted(plan.blobs, key=lambda blob: blob.address):
        assert last <= blob.address
        assert len(blob.data) <= blob.size
        last = blob.end
    assert last <= board.DRAM_BASE + ram
    start, end = initrd_range(plan)
    assert end - start == initrd
    assert start % board.PAGE_SIZE == 0
    assert plan.a1 % (2 * MIB) == 0


def test_the_registers_are_what_opensbi_and_our_firmware_expect(files: Files) -> None:
    """pc is the firmware's, and a2 a struct fw_dynamic_info that points at the kernel's physical entry."""
    plan = files.plan()
    info = next(blob for blob in plan.blobs if blob.address == plan.a2)
    assert (plan.pc, plan.a0) == (board.FIRMWARE_BASE, 0)
    assert struct.unpack("<6Q", info.data) == (0x4942534F, 2, board.KERNEL_BASE + 2, 1, 0, 0)


def test_an_entry_point_may_be_virtual_or_physical(files: Files) -> None:
    """A kernel linked high is entered at the same place whichever address its header gives."""
    virtual = files.plan()
    files.kernel.write_bytes(patched(24, "<Q", board.KERNEL_BASE + 2))
    assert files.plan().blobs[-1] == virtual.blobs[-1]


def test_installing_is_repeatable(files: Files) -> None:
    """Installing over a scribbled RAM gives what the plan says, .bss zeroed, and leaves all else alone."""
    plan = files.plan(32 * MIB)
    memory = GuestMemory.allocate(board.DRAM_BASE, 32 * MIB)
    expected = np.full(32 * MIB, 0xA5, np.uint8)
    for blob in plan.blobs:
        start = blob.address - board.DRAM_BASE
        contents = np.frombuffer(blob.data.ljust(blob.size, b"\0"), np.uint8)
        expected[start : start + blob.size] = contents
    for _ in range(2):
        memory.ram[:] = 0xA5
        plan.install(memory)
        assert np.array_equal(memory.ram, expected)


def test_installing_tells_the_hart_what_was_written(files: Files) -> None:
    """All bytes that a reset changes are reported, so that no stale translated code runs."""
    plan = files.plan(32 * MIB)
    memory = GuestMemory.allocate(board.DRAM_BASE, 32 * MIB)
    told = np.zeros(32 * MIB, bool)

    def listen(address: int, length: int) -> None:
        told[address - board.DRAM_BASE :][:length] = True

    memory.on_write = listen
    plan.install(memory)
    for blob in plan.blobs:
        assert told[blob.address - board.DRAM_BASE :][: blob.size].all()


def test_a_bss_costs_no_host_memory(files: Files) -> None:
    """A large .bss is cleared by giving its pages back, not by writing zeros."""
    files.kernel.write_bytes(make_elf(Load(b"x", board.KERNEL_BASE, 20 * MIB), entry=board.KERNEL_BASE))
    memory = GuestMemory.allocate(board.DRAM_BASE, 64 * MIB)
    files.plan().install(memory)
    assert memory.resident_bytes() < MIB


def test_a_linux_image_goes_to_its_text_offset(files: Files) -> None:
    """An Image is loaded and entered at RAM + text_offset, and image_size is kept free for it."""
    files.kernel.write_bytes(linux_image(4096, image_size=17 * MIB, text_offset=0x40_0000))
    files.initrd.write_bytes(b"cpio")
    plan = files.plan(64 * MIB)
    kernel = next(blob for blob in plan.blobs if blob.data[:2] == b"MZ")
    assert (kernel.address, kernel.size) == (board.DRAM_BASE + 0x40_0000, 17 * MIB)
    assert initrd_range(plan)[0] == kernel.address + 32 * MIB


def test_an_initrd_makes_room_for_a_large_kernel(files: Files) -> None:
    """Where QEMU's address is inside the kernel, the initrd follows the kernel instead."""
    files.kernel.write_bytes(linux_image(64, image_size=20 * MIB + 1))
    files.initrd.write_bytes(b"cpio")
    assert initrd_range(files.plan(32 * MIB))[0] == board.KERNEL_BASE + 20 * MIB + board.PAGE_SIZE


def test_the_files_are_identified_by_their_contents(files: Files) -> None:
    """The same bytes have the same identity whatever the path; one more byte, and another identity."""
    first = files.plan()
    files.bios = files.bios.rename(files.bios.with_name("other"))
    assert files.plan().firmware == first.firmware
    files.kernel.write_bytes(KERNEL + b"\0")
    assert files.plan().kernel != first.kernel


@pytest.mark.peers
@pytest.mark.parametrize("ram", [32, 128, 1024, 1027, 3072, 8192])
def test_the_addresses_are_qemus(files: Files, ram: int) -> None:
    """Device tree and initrd lie where QEMU puts them for the same files and RAM."""
    files.initrd.write_bytes(bytes(5000))
    plan = files.plan(ram * MIB)
    dump = files.initrd.with_name("dump")

    def read_qemu(address: int, length: int) -> bytes:
        qemu.qmp.execute("pmemsave", val=address, size=length, filename=str(dump))
        return dump.read_bytes()

    arguments = ["-S", "-m", f"{ram}M", "-bios", str(files.bios)]
    arguments += ["-kernel", str(files.kernel), "-initrd", str(files.initrd)]
    with QemuProcess(arguments, []) as qemu:
        # The boot ROM's last words: the firmware's entry, and the tree's address.
        assert struct.unpack("<QQ", read_qemu(0x1018, 16)) == (plan.pc, plan.a1)
        chosen = decode(read_qemu(plan.a1, MIB)).root.children["chosen"].properties
    theirs = tuple(int.from_bytes(chosen[f"linux,initrd-{edge}"], "big") for edge in ("start", "end"))
    assert initrd_range(plan) == theirs


@pytest.mark.peers
@pytest.mark.skipif(not OPENSBI.exists(), reason="OpenSBI is missing: apt install opensbi")
def test_opensbi_is_the_same_as_elf_and_as_flat_binary(files: Files) -> None:
    """OpenSBI's fw_dynamic comes to the same bytes at the same addresses from its .elf and its .bin."""
    files.bios = OPENSBI / "fw_dynamic.elf"
    elf = files.plan()
    files.bios = OPENSBI / "fw_dynamic.bin"
    flat = files.plan()
    assert (flat.pc, flat.blobs[0].address, flat.blobs[0].data) == (
        elf.pc,
        elf.blobs[0].address,
        elf.blobs[0].data,
    )


def kernel_at(address: int, size: int = 4) -> bytes:
    """Return a kernel of one segment."""
    return make_elf(Load(b"text", address, size), entry=address)


def patched(offset: int, layout: str, value: int) -> bytes:
    """Return the good kernel with one field of its headers changed."""
    data = bytearray(KERNEL)
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


TWICE = bytearray(
    make_elf(*(Load(bytes(5000), board.KERNEL_BASE + at) for at in (0, 8192)), entry=board.KERNEL_BASE)
)
TWICE[EHDR.size + 64 : EHDR.size + 72] = TWICE[EHDR.size + 8 : EHDR.size + 16]  # p_offset of the second
del TWICE[-5000:]

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "neither an ELF"),
    "text": (b"#!/bin/sh\n" * 9, "neither an ELF nor a RISC-V Image; give"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "compressed; unpack"),
    "EFI zboot": (b"MZ\0\0zimg" + bytes(99), "compressed; unpack"),
    "x86": (make_elf(Load(b"text", board.KERNEL_BASE), entry=board.KERNEL_BASE, machine=62), "machine 62"),
    "rv32": (make_elf(Load(b"text", board.KERNEL_BASE), entry=board.KERNEL_BASE, elf_class=1), "32-bit"),
    "big-endian": (
        make_elf(Load(b"text", board.KERNEL_BASE), entry=board.KERNEL_BASE, order=2),
        "big-endian",
    ),
    "object file": (make_elf(Load(b"text", board.KERNEL_BASE), entry=board.KERNEL_BASE, kind=1), "link it"),
    "no segments": (make_elf(entry=0), "0 program headers"),
    "cut header": (KERNEL[: EHDR.size - 1], "truncated"),
    "cut program headers": (KERNEL[: EHDR.size + 9], "truncated"),
    "cut segment": (KERNEL[:-1], "truncated, segment at 0x80201000 ends at byte"),
    "entry nowhere": (patched(24, "<Q", 0x1234), "entry point 0x1234 is in no segment"),
    "file over memory": (patched(EHDR.size + 40, "<Q", 1), "4 bytes in the file, 1 in memory"),
    "over the end of addresses": (patched(EHDR.size + 24, "<Q", (1 << 64) - 2), "relink"),
    "bytes used twice": (bytes(TWICE), "its segments overlap in the file"),
    "below RAM": (
        kernel_at(0x1000),
        "at 0x1000-0x1003, outside RAM 0x80000000-0x83ffffff; link it to run from RAM",
    ),
    "beyond any RAM": (kernel_at(1 << 40), "link it to run from RAM"),
    "needs more RAM": (
        kernel_at(board.DRAM_BASE + 100 * MIB),
        r"give the machine at least 103 MiB \(-m 103M\)",
    ),
    "over the firmware": (kernel_at(board.FIRMWARE_BASE + 0x2000), "firmware .* over kernel"),
    "over the device tree": (
        kernel_at(board.KERNEL_BASE, 61 * MIB),
        "kernel .* over device tree at 0x83e00000-",
    ),
    "big-endian Image": (linux_image(64, 64, flags=1), "big-endian"),
    "Image of any size": (linux_image(64, 1 << 63), "outside RAM"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_kernel_is_refused(files: Files, case: str) -> None:
    """Each kernel that cannot be booted is refused in one line that names the file, the cause and the fix."""
    data, reason = REFUSED[case]
    files.kernel.write_bytes(data)
    with pytest.raises(ImageError, match=reason) as error:
        files.plan()
    assert re.fullmatch(rf".*kernel {re.escape(str(files.kernel))}[: ][^\n]+[;,] [^\n]+", str(error.value))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (bytes(board.FIRMWARE_SIZE + 1), "do not fit into 2097152"),
        (kernel_at(board.KERNEL_BASE), "outside the firmware's memory 0x80000000-0x801fffff"),
        (make_elf(Load(b"text", board.FIRMWARE_BASE), entry=board.FIRMWARE_BASE, machine=183), "machine 183"),
    ],
)
def test_a_bad_firmware_is_refused(files: Files, data: bytes, reason: str) -> None:
    """A firmware must be something, fit into its own memory, and be for this machine."""
    files.bios.write_bytes(data)
    with pytest.raises(ImageError, match=rf"firmware {re.escape(str(files.bios))}: .*{reason}"):
        files.plan()


@pytest.mark.parametrize("role", ["bios", "kernel", "initrd"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.exists, "no such file"),
        (Path.mkdir, "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be opened"),
    ],
    ids=["missing", "directory", "pipe", "loop"],
)
def test_what_is_no_file_is_refused(
    files: Files, role: str, make: Callable[[Path], object], reason: str
) -> None:
    """A path that is missing, a directory, a pipe or a loop of links is refused, and never waited for."""
    path: Path = getattr(files, role)
    path.unlink(missing_ok=True)
    make(path)
    with pytest.raises(ImageError, match=rf"{re.escape(str(path))}: .*{reason}"):
        plan_boot(64 * MIB, files.bios, files.kernel, files.initrd)


def test_an_unbuilt_image_of_ours_says_how_to_build_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packaged images are made by a command, which the message names when they are not there."""
    monkeypatch.setattr(images, "GUEST", files.kernel)
    files.kernel.unlink()
    with pytest.raises(ImageError, match=r"not built yet; run `python -m hv\.images\.build`"):
        files.plan()


@given(st.data())
def test_a_damaged_kernel_is_refused_or_planned(files: Files, data: st.DataObject) -> None:
    """Whatever is changed in an ELF's headers, the answer is a plan that fits or an ImageError."""
    damaged = bytearray(KERNEL)
    for _ in range(data.draw(st.integers(1, 3))):
        value = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
        damaged[data.draw(st.integers(0, EHDR.size + 2 * 56 - 1))] = value
    files.kernel.write_bytes(damaged)
    files.initrd.write_bytes(b"cpio")
    with contextlib.suppress(ImageError):
        check_plan(files.plan(), 64 * MIB, 4)
