"""What numba lacks for code that a C library calls: memory and functions by address.

The hooks of `hv.cpu` are compiled by numba to plain C functions that work on Unicorn's own structures and on
the hart's state array (`hv.cpu.state`). Both are reached by address, as int64: numba turns a mix of uint64
and literals into float64. No address is ever part of the compiled code (they are all read from the state
array), so `cache=True` works and a second process starts without compiling.

After an edit in this package numba would notice only the files that changed, not the callers that have their
code within them; so what is compiled is kept in a folder that is named after all the sources.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

i32 = types.int32
i64 = types.int64
u32 = types.uint32
boolean = types.boolean
void = types.void

int64 = cast(Callable[[int], int], numba.int64)
"""Widen an argument that C passes in 32 bits: the upper half of its register is undefined."""


_star_arguments = cast(Callable[[list[Any]], Any], types.StarArgTuple)


class Callback(Protocol):
    """A compiled C function."""

    address: int


_numba: Any = config
"""numba's settings, which are no attributes that a type checker could know."""


def _folder() -> str:
    """Return where the compiled code of these very sources is kept: under NUMBA_CACHE_DIR, or beside them."""
    here = Path(__file__).parent
    checksum = 0
    for source in sorted(here.glob("*.py")):
        checksum = zlib.crc32(source.read_bytes(), checksum)
    return str(Path(_numba.CACHE_DIR or here / "__pycache__") / f"hart-{checksum:08x}")


_FOLDER = _folder()


@contextmanager
def _kept() -> Iterator[None]:
    """Have numba choose our folder for what is declared meanwhile; others in this process keep theirs."""
    theirs = _numba.CACHE_DIR
    _numba.CACHE_DIR = _FOLDER
    try:
        yield
    finally:
        _numba.CACHE_DIR = theirs


def native(function: Function) -> Function:
    """Compile for use by other compiled code, and by Python (without the GIL)."""
    with _kept():
        return cast(Function, numba.njit(cache=True, nogil=True)(function))


def callback(signature: object) -> Callable[[Function], Callback]:
    """Compile to a C function of this signature; its `address` is what C calls."""

    def compiled(function: Function) -> Callback:
        with _kept():
            return cast(Callback, numba.cfunc(signature, cache=True)(function))

    return compiled


def _loader(width: int) -> Callable[[int], int]:
    kind = ir.IntType(width)

    @intrinsic
    def load(_context: Any, _address: Any) -> Any:
        def generate(_cg: Any, builder: Any, _signature: Any, args: Any) -> Any:
            value = builder.load(builder.inttoptr(args[0], kind.as_pointer()))
            return value if width == 64 else builder.zext(value, ir.IntType(64))

        return i64(i64), generate

    return cast(Callable[[int], int], load)


def _storer(width: int) -> Callable[[int, int], None]:
    kind = ir.IntType(width)

    @intrinsic
    def store(_context: Any, _address: Any, _value: Any) -> Any:
        def generate(cg: Any, builder: Any, _signature: Any, args: Any) -> Any:
            word = args[1] if width == 64 else builder.trunc(args[1], kind)
            builder.store(word, builder.inttoptr(args[0], kind.as_pointer()))
            return cg.get_dummy_value()

        return void(i64, i64), generate

    return cast(Callable[[int, int], None], store)


load64 = _loader(64)
load32 = _loader(32)
load16 = _loader(16)
load8 = _loader(8)
store64 = _storer(64)
store32 = _storer(32)
store16 = _storer(16)
store8 = _storer(8)
"""Memory of the host process by address; narrow loads are zero-extended. Nothing checks the address."""


@intrinsic
def call(_context: Any, _function: Any, *arguments: Any) -> Any:
    """Call a C function by address with int64 arguments; mask the result when C returns less than 64 bits."""
    count = len(arguments)

    def generate(_cg: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        prototype = ir.FunctionType(word, [word] * count)
        pointer = builder.inttoptr(args[0], prototype.as_pointer())
        return builder.call(pointer, [builder.extract_value(args[1], i) for i in range(count)])

    return i64(i64, _star_arguments([i64] * count)), generate
