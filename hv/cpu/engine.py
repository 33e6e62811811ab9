"""Unicorn's public C API, as much of it as the hart uses, with errors turned into HostError.

The Python binding that comes with Unicorn wraps every hook in a Python function (200 ns a call); ours are
addresses of compiled code, so the C library is called directly.
"""

import ctypes
import sys
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import unicorn
from unicorn import unicorn_const as uc
from unicorn.riscv_const import UC_RISCV_REG_PC

from hv.errors import HostError

VERSION = (2, 1, 4)
"""The only version of Unicorn whose internals are known (hv.cpu.internals)."""

# UC_CTL_WRITE(type, number of arguments) of unicorn.h
_CTL_USE_EXITS = uc.UC_CTL_UC_USE_EXITS | 1 << 26 | uc.UC_CTL_IO_WRITE << 30
_CTL_TB_FLUSH = uc.UC_CTL_TB_FLUSH | uc.UC_CTL_IO_WRITE << 30
_CTL_TLB_FLUSH = uc.UC_CTL_TLB_FLUSH | uc.UC_CTL_IO_WRITE << 30

_LIBRARY_NAMES = {"darwin": "libunicorn.2.dylib"}


@cache
def library() -> ctypes.CDLL:
    """Load the library that the `unicorn` package brings along.

    Raises HostError when it is missing or of another version.
    """
    fix = f"install it with: pip install unicorn=={'.'.join(map(str, VERSION))}"
    path = Path(unicorn.__file__).parent / "lib" / _LIBRARY_NAMES.get(sys.platform, "libunicorn.so.2")
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise HostError(f"cannot load Unicorn ({error}): {fix}") from error
    version = lib.uc_version(None, None)
    found = (version >> 24 & 255, version >> 16 & 255, version >> 8 & 255)
    if found != VERSION:
        raise HostError(f"Unicorn is version {'.'.join(map(str, found))}: {fix}")
    _declare(lib)
    return lib


def _declare(lib: ctypes.CDLL) -> None:
    """Give every public function that is used its prototype; variadic arguments follow untyped."""
    pointer, word = c_void_p, c_uint64
    prototypes: dict[str, list[Any]] = {
        "uc_open": [c_int, c_int, pointer],
        "uc_close": [pointer],
        "uc_mem_map_ptr": [pointer, word, word, c_uint32, pointer],
        "uc_mmio_map": [pointer, word, word, pointer, pointer, pointer, pointer],
        "uc_mem_write": [pointer, word, c_char_p, word],
        "uc_mem_map": [pointer, word, word, c_uint32],
        "uc_reg_read": [pointer, c_int, pointer],
        "uc_reg_write": [pointer, c_int, pointer],
        "uc_emu_start": [pointer, word, word, word, c_size_t],
        "uc_hook_add": [pointer, pointer, c_int, pointer, pointer, word, word],
        "uc_hook_del": [pointer, c_size_t],
        "uc_ctl": [pointer, c_uint32],
    }
    for name, arguments in prototypes.items():
        getattr(lib, name).argtypes = arguments
    lib.uc_strerror.restype = c_char_p


class Engine:
    """One RISC-V CPU of Unicorn's with its address space.

    Attributes:
        lib: the library.
        handle: address of the uc_engine.
    """

    def __init__(self) -> None:
        self.lib = library()
        handle = c_void_p()
        self._check("open an engine", self.lib.uc_open(uc.UC_ARCH_RISCV, uc.UC_MODE_RISCV64, byref(handle)))
        assert handle.value is not None
        self.handle: int = handle.value
        # With an (empty) set of exits, the `until` of uc_emu_start is not a magic address. Must come first.
        self._check("switch exits off", self.lib.uc_ctl(self.handle, _CTL_USE_EXITS, c_int(1)))
        self.read(UC_RISCV_REG_PC)  # the CPU is made by the first access

    def close(self) -> None:
        """Free the engine; nothing else may be called after it."""
        self._check("close the engine", self.lib.uc_close(self.handle))

    def address(self, name: str) -> int:
        """Return where a public function of the library is."""
        address = ctypes.cast(getattr(self.lib, name), c_void_p).value
        assert address is not None
        return address

    def map_ram(self, base: int, size: int, address: int) -> None:
        """Show `size` bytes of this process at `address` to the guest at `base`."""
        self._check("map RAM", self.lib.uc_mem_map_ptr(self.handle, base, size, uc.UC_PROT_ALL, address))

    def map_page(self, base: int, content: bytes) -> None:
        """Give the guest a page of memory of Unicorn's own."""
        self._check("map a page", self.lib.uc_mem_map(self.handle, base, 0x1000, uc.UC_PROT_ALL))
        self._check("write a page", self.lib.uc_mem_write(self.handle, base, content, len(content)))

    def map_mmio(self, base: int, size: int, read: Callable[..., int], write: Callable[..., None]) -> None:
        """Let ctypes callbacks answer for whole pages; the caller keeps them alive."""
        # ctypes.cast would make a callback refer to itself, and keep all behind it for a garbage collection.
        load, store = (c_void_p.from_buffer(callback) for callback in (read, write))  # type: ignore[arg-type]
        self._check(f"map {base:#x}", self.lib.uc_mmio_map(self.handle, base, size, load, None, store, None))

    def hook(self, kind: int, function: int, user_data: int, begin: int = 1, end: int = 0) -> int:
        """Call `function` for events of `kind` from `begin` to `end` (by default all); return a handle."""
        handle = c_size_t()
        arguments = (byref(handle), kind, function, user_data, begin, end)
        self._check("add a hook", self.lib.uc_hook_add(self.handle, *arguments))
        return handle.value

    def unhook(self, handle: int) -> None:
        """Take a hook away."""
        self._check("remove a hook", self.lib.uc_hook_del(self.handle, handle))

    def read(self, register: int) -> int:
        """Read a register by Unicorn's number; CSRs obey the current privilege."""
        value = c_uint64()
        self._check("read a register", self.lib.uc_reg_read(self.handle, register, byref(value)))
        return value.value

    def write(self, register: int, value: int) -> None:
        """Write a register by Unicorn's number; CSRs obey the current privilege."""
        self._check("write a register", self.lib.uc_reg_write(self.handle, register, byref(c_uint64(value))))

    def start(self, pc: int) -> int:
        """Run from `pc` until something stops the CPU; return Unicorn's error number."""
        return int(self.lib.uc_emu_start(self.handle, pc, 0, 0, 0))

    def flush_tlb(self) -> None:
        """Forget all address translations."""
        self._check("flush the TLB", self.lib.uc_ctl(self.handle, _CTL_TLB_FLUSH))

    def flush(self) -> None:
        """Forget all address translations and all translated code."""
        self.flush_tlb()
        self._check("flush translated code", self.lib.uc_ctl(self.handle, _CTL_TB_FLUSH))

    def error(self, what: str, code: int) -> HostError:
        """Return the error for something that Unicorn refused."""
        return HostError(f"Unicorn cannot {what}: {self.lib.uc_strerror(code).decode()}")

    def _check(self, what: str, code: int) -> None:
        if code != uc.UC_ERR_OK:
            raise self.error(what, code)
