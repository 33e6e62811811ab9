"""A bug in one of our devices: a text that is in its module exactly once, and another text in its place."""

import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """One bug on purpose.

    Attributes:
        name: unique, short.
        clause: id of the clause that it breaks.
        bug: what the device does, in a line.
        module: where the bug is; `devices.virtio` is in front of it.
        old: text that is there exactly once.
        new: what takes its place.
    """

    name: str
    clause: str
    bug: str
    module: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.clause}-{self.name}"

    @property
    def path(self) -> Path:
        """The file of the module."""
        return ROOT / "devices/virtio" / f"{self.module.replace('.', '/')}.py"

    def code(self) -> CodeType:
        """Return the module with the bug; raises ValueError where the old text is not there once."""
        source = self.path.read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"{self}: {self.path} has {source.count(self.old)} places of:\n{self.old}")
        return compile(source.replace(self.old, self.new), self.path, "exec")

    def infect(self) -> None:
        """Have this process import the module with the bug, which it must not have imported yet."""
        name = f"devices.virtio.{self.module}"
        assert name not in sys.modules
        sys.meta_path.insert(0, _Finder(name, self))


class _Finder:
    """Finds one module, and loads it with a bug."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        self.name = name
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for this module only."""
        if name != self.name:
            return None
        return spec_from_file_location(name, self.mutant.path, loader=_Loader(name, self.mutant))


class _Loader(SourceFileLoader):
    """Compiles a module with a bug, and caches nothing."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(mutant.path))
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        """Return the mutant's code."""
        return self.mutant.code()
