"""Boot: what has to be in memory, and in the hart's registers, when the machine comes out of reset.

`plan_boot` reads and checks every file and answers with a `BootPlan`, which is plain data;
`BootPlan.install` writes it into RAM, at power-on and again at each reset. Nothing is written before all is
known to fit.

```
0x80000000   firmware, ELF or flat binary (2 MiB belong to it)
0x80200000   kernel: an ELF where its segments say, a RISC-V Image at RAM + its text_offset
   + half of RAM, at most 128 MiB: initrd, after the kernel if that reaches further
   last 2 MiB boundary with room below min(end of RAM, 3 GiB): device tree, then struct fw_dynamic_info
```

These are QEMU's addresses; only fw_dynamic_info, which QEMU keeps in the boot ROM that we lack, has a place
of ours.

Source: QEMU 7.2 `hw/riscv/boot.c`; Linux `Documentation/arch/riscv/boot-image-header.rst`; OpenSBI
`include/sbi/fw_dynamic.h`.
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from itertools import pairwise
from pathlib import Path

from devices.memory import GuestMemory
from hv import board, images
from hv.dtb import board_tree
from hv.elf import ELF_MAGIC, read_elf
from hv.errors import ImageError
from hv.files import open_file, read_at
from hv.kernelimage import IMAGE_FLAG_BIG_ENDIAN, IMAGE_HEADER, is_image

FW_DYNAMIC_INFO_MAGIC = 0x4942534F
FW_DYNAMIC_INFO_VERSION = 2
FW_DYNAMIC_INFO_NEXT_MODE_S = 1

DTB_ALIGN = 2 * board.MIB
DTB_LIMIT = 3 * board.GIB
INITRD_OFFSET_MAX = 128 * board.MIB

BOOT_HART = 0

_FW_DYNAMIC_INFO = struct.Struct("<6Q")

_GZIP_MAGIC = b"\x1f\x8b"
_EFI_ZBOOT = b"zimg"


@dataclass(frozen=True)
class Blob:
    """Bytes at a physical address.

    Attributes:
        name: role and path, for messages.
        address: physical address of the first byte.
        data: contents.
        size: bytes taken in memory; those after `data` are zero, or the kernel's to clear.
        zero: whether the loader must clear those after `data` (an ELF's .bss).
    """

    name: str
    address: int
    data: bytes
    size: int
    zero: bool = False

    @property
    def end(self) -> int:
        """First address after it."""
        return self.address + self.size


@dataclass(frozen=True)
class BootPlan:
    """Memory and registers of a machine that comes out of reset.

    Attributes:
        blobs: what is in memory; none over another, all in RAM.
        pc: the firmware's entry point.
        a0: hart id.
        a1: physical address of the device tree.
        a2: physical address of struct fw_dynamic_info.
        firmware: SHA-256 of the firmware file, in hex.
        kernel: SHA-256 of the kernel file, in hex.
    """

    blobs: tuple[Blob, ...]
    pc: int
    a0: int
    a1: int
    a2: int
    firmware: str
    kernel: str

    @property
    def tree(self) -> bytes:
        """The flattened device tree."""
        return next(blob.data for blob in self.blobs if blob.address == self.a1)

    def install(self, memory: GuestMemory) -> None:
        """Write all blobs into RAM; memory outside them stays as it is.

        Args:
            memory: RAM of the size that was planned for.
        """
        for blob in self.blobs:
            memory.write(blob.address, blob.data)
            if blob.zero:
                _clear(memory, blob.address + len(blob.data), blob.end)


def _clear(memory: GuestMemory, start: int, end: int) -> None:
    """Zero start..end-1, giving whole pages back to the host instead of touching them."""
    pages_start = min(_page_up(start), end)
    pages_end = max(end // board.PAGE_SIZE * board.PAGE_SIZE, pages_start)
    memory.write(start, bytes(pages_start - start))
    if pages_start < pages_end:
        memory.discard(pages_start, pages_end - pages_start)
    memory.write(pages_end, bytes(end - pages_end))


def _page_up(number: int) -> int:
    return -(-number // board.PAGE_SIZE) * board.PAGE_SIZE


@dataclass(frozen=True)
class _Program:
    """A firmware or kernel that was read.

    Attributes:
        blobs: its parts.
        entry: physical address where it starts.
        sha256: of the file, in hex.
    """

    blobs: tuple[Blob, ...]
    entry: int
    sha256: str


def plan_boot(
    ram: int,
    bios: Path,
    kernel: Path,
    initrd: Path | None = None,
    append: str = "",
    *,
    platform_sleep: bool = True,
) -> BootPlan:
    """Read the images and lay them out.

    Args:
        ram: bytes of RAM at `board.DRAM_BASE`.
        bios: firmware, an ELF or a flat binary that runs at `board.FIRMWARE_BASE`.
        kernel: kernel, an ELF or a RISC-V Image.
        initrd: initial RAM disk, or None.
        append: the kernel's command line.
        platform_sleep: whether the tree offers the platform-sleep register.

    Raises:
        ImageError: a file is refused, or they do not fit: names the file, the cause and the fix.
        ConfigError: the command line has a NUL.
    """
    firmware = _read_firmware(bios)
    program = _read_kernel(kernel)
    blobs = [*firmware.blobs, *program.blobs]
    _check_layout(blobs, ram)
    initrd_range = None
    if initrd:
        disk = _read_initrd(initrd, ram, program)
        initrd_range = (disk.address, disk.end)
        blobs.append(disk)
    tree = board_tree(ram, append, initrd_range, platform_sleep=platform_sleep).encode()
    info = _FW_DYNAMIC_INFO.pack(
        FW_DYNAMIC_INFO_MAGIC,
        FW_DYNAMIC_INFO_VERSION,
        program.entry,
        FW_DYNAMIC_INFO_NEXT_MODE_S,
        0,
        BOOT_HART,
    )
    info_offset = _page_up(len(tree))
    top = min(board.DRAM_BASE + ram, DTB_LIMIT)
    tree_at = (top - info_offset - len(info)) // DTB_ALIGN * DTB_ALIGN
    blobs.append(Blob("device tree", tree_at, tree, len(tree)))
    blobs.append(Blob("fw_dynamic_info", tree_at + info_offset, info, len(info)))
    _check_layout(blobs, ram)
    return BootPlan(
        blobs=tuple(blobs),
        pc=firmware.entry,
        a0=BOOT_HART,
        a1=tree_at,
        a2=tree_at + info_offset,
        firmware=firmware.sha256,
        kernel=program.sha256,
    )


def _read_firmware(path: Path) -> _Program:
    name = f"firmware {path}"
    with _open_program(path, "firmware") as file:
        if read_at(file, 0, min(4, _size(file)), name) == ELF_MAGIC:
            program = _read_elf_program(file, name)
        else:
            data = _read_all(file, name, board.FIRMWARE_SIZE)
            blob = Blob(name, board.FIRMWARE_BASE, data, len(data))
            program = _Program((blob,), board.FIRMWARE_BASE, _sha256(file, name))
    region_end = board.FIRMWARE_BASE + board.FIRMWARE_SIZE
    for blob in program.blobs:
        if blob.address < board.FIRMWARE_BASE or blob.end > region_end:
            raise ImageError(
                f"{blob.name}: at {_span(blob)}, outside the firmware's memory "
                f"{board.FIRMWARE_BASE:#x}-{region_end - 1:#x}; link it there"
            )
    return program


def _read_kernel(path: Path) -> _Program:
    name = f"kernel {path}"
    with _open_program(path, "kernel") as file:
        header = read_at(file, 0, min(IMAGE_HEADER.size, _size(file)), name)
        if header.startswith(ELF_MAGIC):
            return _read_elf_program(file, name)
        if is_image(header):
            return _read_image(file, name, header)
        if header.startswith(_GZIP_MAGIC) or header[4:8] == _EFI_ZBOOT:
            raise ImageError(f"{name}: compressed; unpack it to a plain Image first")
    raise ImageError(f"{name}: neither an ELF nor a RISC-V Image; give vmlinux or arch/riscv/boot/Image")


def _read_elf_program(file: FileIO, name: str) -> _Program:
    elf = read_elf(file, name)
    if sum(segment.filesz for segment in elf.segments) > _size(file):
        raise ImageError(f"{name}: its segments overlap in the file; link it anew")
    blobs = tuple(
        Blob(
            name, segment.paddr, read_at(file, segment.offset, segment.filesz, name), segment.memsz, zero=True
        )
        for segment in elf.segments
    )
    return _Program(blobs, elf.entry, _sha256(file, name))


def _read_image(file: FileIO, name: str, header: bytes) -> _Program:
    _, _, text_offset, image_size, flags, *_ = IMAGE_HEADER.unpack(header)
    if flags & IMAGE_FLAG_BIG_ENDIAN:
        raise ImageError(f"{name}: a big-endian kernel; build it little-endian")
    data = _read_all(file, name, board.RAM_MAX)
    address = board.DRAM_BASE + text_offset
    return _Program((Blob(name, address, data, max(image_size, len(data))),), address, _sha256(file, name))


def _read_initrd(path: Path, ram: int, kernel: _Program) -> Blob:
    name = f"initrd {path}"
    kernel_start = min(blob.address for blob in kernel.blobs)
    kernel_end = max(blob.end for blob in kernel.blobs)
    address = _page_up(max(kernel_start + min(ram // 2, INITRD_OFFSET_MAX), kernel_end))
    with open_file(path, "initrd") as file:
        data = _read_all(file, name, max(board.DRAM_BASE + ram - address, 0))
    return Blob(name, address, data, len(data))


def _open_program(path: Path, what: str) -> FileIO:
    if path in (images.FIRMWARE, images.GUEST) and not path.exists():
        raise ImageError(f"{what} {path}: not built yet; run `python -m hv.images.build`")
    return open_file(path, what)


def _size(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _read_all(file: FileIO, name: str, limit: int) -> bytes:
    size = _size(file)
    if not size:
        raise ImageError(f"{name}: empty; use another copy")
    if size > limit:
        raise ImageError(
            f"{name}: {size} bytes do not fit into {limit}; make it smaller, or give more RAM (-m)"
        )
    return read_at(file, 0, size, name)


def _sha256(file: FileIO, name: str) -> str:
    try:
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror}); check the disk it is on") from None


def _span(blob: Blob) -> str:
    return f"{blob.address:#x}-{blob.end - 1:#x}"


def _check_layout(blobs: Sequence[Blob], ram: int) -> None:
    end = board.DRAM_BASE + ram
    for blob in blobs:
        if blob.address >= board.DRAM_BASE and blob.end <= end:
            continue
        place = f"{blob.name}: at {_span(blob)}, outside RAM {board.DRAM_BASE:#x}-{end - 1:#x}"
        needed = -(-(blob.end - board.DRAM_BASE + DTB_ALIGN) // board.MIB)
        if blob.address < board.DRAM_BASE or needed * board.MIB > board.RAM_MAX:
            raise ImageError(f"{place}; link it to run from RAM")
        raise ImageError(f"{place}; give the machine at least {needed} MiB (-m {needed}M)")
    ordered = sorted(blobs, key=lambda blob: blob.address)
    for low, high in pairwise(ordered):
        if low.end > high.address:
            raise ImageError(
                f"{low.name}: at {_span(low)}, over {high.name} at {_span(high)}; "
                "link one elsewhere, or give the machine more RAM (-m)"
            )
