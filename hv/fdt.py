"""Device trees: a small model and the flattened format (FDT version 17).

Theory of operation. A `Node` is properties (raw bytes; `cells`, `wide` and `text` make them) and named
subnodes; both keep their order. `DeviceTree.encode` flattens as libfdt and dtc do: header, memory
reservation map, structure block, strings block, nothing between them, and a property's name shares the
string of any earlier name that ends in it. `decode` is its inverse, byte for byte but for what says
nothing: FDT_NOP tokens are dropped, padding becomes zero. What it reads is untrusted: every offset is
checked, depth and size are bounded, and a bad tree is an `ImageError`.

Source: Devicetree Specification v0.4, chapter 5; libfdt `fdt_find_add_string_` for the shared names.
"""

import struct
from dataclasses import dataclass, field

from hv.errors import ConfigError, ImageError

FDT_MAGIC = 0xD00DFEED
FDT_VERSION = 17
FDT_LAST_COMPATIBLE = 16
FDT_BEGIN_NODE, FDT_END_NODE, FDT_PROP, FDT_NOP, FDT_END = 1, 2, 3, 4, 9

FDT_MAX_SIZE = 1 << 20
"""Largest tree that is read, in bytes; QEMU's limit for the trees it makes."""

FDT_MAX_DEPTH = 32
"""Deepest nesting of nodes that is read."""

_HEADER = struct.Struct(">10I")
_RESERVATION = struct.Struct(">QQ")
_CELL = struct.Struct(">I")


def cells(*values: int) -> bytes:
    """Return a property of 32-bit cells."""
    return struct.pack(f">{len(values)}I", *values)


def wide(*values: int) -> bytes:
    """Return a property of 64-bit numbers, two cells each (`#address-cells = <2>`)."""
    return struct.pack(f">{len(values)}Q", *values)


def text(*values: str) -> bytes:
    """Return a property that is a list of strings; escaped bytes (as in `sys.argv`) go in as they came.

    Raises:
        ConfigError: a string has a NUL, which would end it early.
    """
    for value in values:
        if "\0" in value:
            raise ConfigError(f"device tree: {value!r:.60} contains a NUL character; leave it out")
    return b"".join(value.encode("utf-8", "surrogateescape") + b"\0" for value in values)


@dataclass
class Node:
    """A node of the tree.

    Attributes:
        properties: name to raw value, in order; an empty value is a property that is merely there.
        children: unit name (`serial@10000000`) to subnode, in order.
    """

    properties: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, "Node"] = field(default_factory=dict)

    def find(self, path: str) -> "Node | None":
        """Return the node at a path like `/soc/serial@10000000` below this one, or None."""
        node: Node | None = self
        for name in filter(None, path.split("/")):
            node = node and node.children.get(name)
        return node


@dataclass
class DeviceTree:
    """A whole tree, as the flattened format can carry it.

    Attributes:
        root: the node `/`.
        reservations: (address, bytes) of memory that the kernel must keep (the format's own, older map).
        boot_cpu: physical id of the hart that boots.
        strings: what the strings block starts with; `decode` keeps it, so that encoding gives the same bytes.
    """

    root: Node
    reservations: list[tuple[int, int]] = field(default_factory=list)
    boot_cpu: int = 0
    strings: bytes = b""

    def encode(self) -> bytes:
        """Return the flattened tree."""
        strings = bytearray(self.strings)
        structure = bytearray()
        _flatten("", self.root, structure, strings)
        structure += cells(FDT_END)
        reservations = b"".join(_RESERVATION.pack(*entry) for entry in [*self.reservations, (0, 0)])
        struct_offset = _HEADER.size + len(reservations)
        strings_offset = struct_offset + len(structure)
        header = _HEADER.pack(
            FDT_MAGIC,
            strings_offset + len(strings),
            struct_offset,
            strings_offset,
            _HEADER.size,
            FDT_VERSION,
            FDT_LAST_COMPATIBLE,
            self.boot_cpu,
            len(strings),
            len(structure),
        )
        return header + reservations + structure + strings


def _pad(block: bytearray) -> None:
    block += bytes(-len(block) % _CELL.size)


def _flatten(name: str, node: Node, structure: bytearray, strings: bytearray) -> None:
    structure += cells(FDT_BEGIN_NODE) + name.encode() + b"\0"
    _pad(structure)
    for key, value in node.properties.items():
        string = key.encode() + b"\0"
        offset = strings.find(string)
        if offset < 0:
            offset = len(strings)
            strings += string
        structure += cells(FDT_PROP, len(value), offset) + value
        _pad(structure)
    for child_name, child in node.children.items():
        _flatten(child_name, child, structure, strings)
    structure += cells(FDT_END_NODE)


def decode(data: bytes) -> DeviceTree:
    """Read a flattened tree; bytes after its `totalsize` are ignored.

    Raises:
        ImageError: it is no device tree, or a broken one; says what and where.
    """
    if len(data) < _HEADER.size:
        raise _broken(f"{len(data)} bytes are too short for its header")
    (
        magic,
        total,
        struct_at,
        strings_at,
        reserved_at,
        version,
        compatible,
        boot_cpu,
        strings_size,
        struct_size,
    ) = _HEADER.unpack_from(data)
    if magic != FDT_MAGIC:
        raise _broken(f"magic {magic:#010x} is not {FDT_MAGIC:#x}")
    if version < FDT_VERSION or compatible > FDT_VERSION:
        raise _broken(f"version {version} (compatible back to {compatible}) is not {FDT_VERSION}")
    if not _HEADER.size <= total <= min(len(data), FDT_MAX_SIZE):
        raise _broken(f"totalsize {total} is not within {_HEADER.size}..{min(len(data), FDT_MAX_SIZE)}")
    for block, start, size in (("structure", struct_at, struct_size), ("strings", strings_at, strings_size)):
        if start < _HEADER.size or start + size > total:
            raise _broken(f"{block} block at {start}, {size} bytes, is not within its {total} bytes")
    reservations = _decode_reservations(data[:total], reserved_at)
    strings = data[strings_at : strings_at + strings_size]
    root = _Reader(data[struct_at : struct_at + struct_size], strings).tree()
    return DeviceTree(root, reservations, boot_cpu, strings)


def _broken(reason: str) -> ImageError:
    return ImageError(f"device tree: {reason}; make it anew with dtc")


def _decode_reservations(data: bytes, at: int) -> list[tuple[int, int]]:
    reservations: list[tuple[int, int]] = []
    while _HEADER.size <= at <= len(data) - _RESERVATION.size:
        entry: tuple[int, int] = _RESERVATION.unpack_from(data, at)
        if entry == (0, 0):
            return reservations
        reservations.append(entry)
        at += _RESERVATION.size
    raise _broken("memory reservation map runs out of the tree")


class _Reader:
    """Reads one structure block, front to back."""

    def __init__(self, structure: bytes, strings: bytes) -> None:
        self._structure = structure
        self._strings = strings
        self._at = 0

    def tree(self) -> Node:
        """Return the root node; the block must hold nothing else."""
        if self._token() != FDT_BEGIN_NODE or self._name():
            raise _broken("does not begin with a root node")
        root = Node()
        path = [root]  # the open nodes, root first: depth is bounded without recursion
        while path:
            node = path[-1]
            token = self._token()
            if token == FDT_BEGIN_NODE:
                name = self._name()
                if not name or name in node.children or len(path) == FDT_MAX_DEPTH:
                    raise _broken(f"node {name!r:.60} is unnamed, there twice, or over {FDT_MAX_DEPTH} deep")
                path.append(node.children.setdefault(name, Node()))
            elif token == FDT_PROP:
                self._property(node)
            elif token == FDT_END_NODE:
                path.pop()
            else:
                raise _broken(f"unexpected token {token} at {self._at - _CELL.size} of the structure block")
        if self._token() != FDT_END or self._at != len(self._structure):
            raise _broken("does not end after its root node")
        return root

    def _cell(self) -> int:
        return _CELL.unpack(self._take(_CELL.size))[0]  # type: ignore[no-any-return]

    def _token(self) -> int:
        while (token := self._cell()) == FDT_NOP:
            pass
        return token

    def _take(self, length: int) -> bytes:
        """Return the next `length` bytes and go on to the next cell."""
        if length > len(self._structure) - self._at:
            raise _broken(f"{length} bytes at {self._at} run out of the structure block")
        data = self._structure[self._at : self._at + length]
        self._at += length + -length % _CELL.size
        return data

    def _name(self) -> str:
        end = self._structure.find(b"\0", self._at)
        name = self._take(max(end - self._at, 0) + 1)[:-1]
        return _ascii(name)

    def _property(self, node: Node) -> None:
        size, offset = self._cell(), self._cell()
        value = self._take(size)
        end = self._strings.find(b"\0", offset)
        name = _ascii(self._strings[offset:end]) if offset < end else ""
        if not name or name in node.properties or node.children:
            raise _broken(f"property {name!r:.60} is unnamed, there twice, or after a subnode")
        node.properties[name] = value


def _ascii(name: bytes) -> str:
    if not name.isascii():
        raise _broken(f"name {name!r:.60} is not ASCII")
    return name.decode()
