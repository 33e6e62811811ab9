"""C programs for a Linux guest, in an initial RAM disk of their own."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from hv.images import build
from hv.linux import cpio
from hv.linux.kit import Kit

_SOURCES = Path(__file__).parents[1] / "system" / "programs"
_FLAGS = ("-target", "riscv64-linux-none", "-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-builtin")


def compile_program(name: str, output: Path, defines: Iterable[str] = ()) -> bytes:
    """Compile a program of `tests/system/programs`, which has no libc; return the ELF."""
    source = str(_SOURCES / f"{name}.c")
    build.zig_cc([*_FLAGS, *(f"-D{each}" for each in defines), source, "-o", str(output)], output.parent)
    return output.read_bytes()


def initrd_with(kit: Kit, programs: Mapping[str, bytes], path: Path) -> Path:
    """Write the kit's RAM disk with more programs in /bin, ELFs or scripts; return its path."""
    extra = cpio.archive([cpio.file(f"bin/{name}", data, executable=True) for name, data in programs.items()])
    path.write_bytes(kit.initrd.read_bytes() + extra)
    return path
