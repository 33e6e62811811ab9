"""Compiles `firmware/` and `guest/` into the ELF images of this package, with zig as the cross compiler.

The build hook and a developer both come here: `python -m hv.images.build` after an edit of the C. The same
source gives the same bytes in any folder: paths are mapped to `/src` and zig's version is pinned in
pyproject.toml. Standard library and zig only.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

TARGET = (
    *("-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+c+zicsr+zifencei"),
    *("-mabi=lp64", "-mcmodel=medany"),
)
CFLAGS = [
    *TARGET,
    *("-O2", "-g", "-std=gnu17", "-ffreestanding", "-fno-stack-protector"),
    *("-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"),  # a backtrace names every caller
    *("-fno-sanitize=all", "-fno-pic", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"),
]
LDFLAGS = ["-nostdlib", "-static", "-Wl,--build-id=sha1"]


class Image(NamedTuple):
    """One ELF to build: the folder its C and assembly live in, its linker script inside it, and its name."""

    folder: str
    script: str
    output: str


IMAGES = (Image("firmware", "firmware.ld", "firmware.elf"), Image("guest", "kernel.ld", "guest.elf"))


def board_header(root: Path) -> str:
    """Return `board.h`, made from `hv/board.py` (loaded by path: nothing is installed yet)."""
    spec = importlib.util.spec_from_file_location("board", root / "hv" / "board.py")
    assert spec is not None
    assert spec.loader is not None
    board = importlib.util.module_from_spec(spec)
    sys.modules["board"] = board  # dataclasses look their module up by name
    spec.loader.exec_module(board)
    return str(board.c_header())


def zig_folder() -> Path:
    """Return where zig's own headers are: in this environment, or in one that pip made for a build."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        sys.exit("the cross compiler is missing: pip install ziglang")
    return Path(spec.origin).parent


def zig_cc(arguments: list[str], cache: Path) -> None:
    """Run `zig cc`.

    Args:
        arguments: what follows `cc`.
        cache: zig's global and local cache, kept out of the user's home.

    Raises:
        SystemExit: with zig's own messages, when the compiler refuses the source.
    """
    environment = os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    # Not in the source tree: zig names what lies below its working directory, like its headers, relatively.
    done = subprocess.run(command, cwd=cache, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def build(
    image: Image,
    root: Path,
    output: Path,
    cache: Path,
    defines: tuple[str, ...] = (),
    kept: Path | None = None,
) -> None:
    """Compile one image and put it in place atomically.

    Args:
        image: what to build.
        root: the source tree that holds the image's folder.
        output: the ELF to write.
        cache: zig's cache folder.
        defines: extra `-D` macros, each for the units that name it.
        kept: a folder for the objects of all other units, which are taken from there when they are there
            already: for many builds of one source.
    """
    source = root / image.folder
    units = sorted(p for p in source.rglob("*") if p.suffix in {".c", ".S"})
    # A fixed place: zig's cache knows an object by its whole command line.
    headers = cache / "include"
    headers.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        work = Path(scratch)
        (work / "board.h").write_text(board_header(root))
        (work / "board.h").replace(headers / "board.h")
        compile_flags = [
            *CFLAGS,
            f"-I{source / 'include'}",
            f"-I{headers}",
            f"-ffile-prefix-map={headers}=/src/build",
            f"-ffile-prefix-map={root}=/src",
            # Behind the one above, which it may lie in: clang takes the last that fits.
            f"-ffile-prefix-map={zig_folder()}=/zig",
            "-fdebug-compilation-dir=/src",
        ]

        def compile_unit(number_and_unit: tuple[int, Path]) -> str:
            number, unit = number_and_unit
            text = unit.read_text()
            macros = [f"-D{name}" for name in defines if name in text]
            object_file = (work if macros or not kept else kept) / f"{number:03}-{unit.stem}.o"
            if not object_file.exists():
                zig_cc([*compile_flags, *macros, "-c", str(unit), "-o", str(object_file)], cache)
            return str(object_file)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_unit, enumerate(units)))
        linked = output.with_suffix(".elf.tmp")
        zig_cc([*TARGET, *LDFLAGS, f"-Wl,-T,{source / image.script}", *objects, "-o", str(linked)], cache)
        linked.replace(output)


def build_all(root: Path) -> None:
    """Compile every image into `hv/images/`.

    Args:
        root: the project's source tree.
    """
    cache = Path(os.environ.get("THAWVISOR_ZIG_CACHE", root / ".zig-cache")).resolve()
    for image in IMAGES:
        build(image, root, root / "hv" / "images" / image.output, cache)


if __name__ == "__main__":
    build_all(Path(__file__).resolve().parents[2])
