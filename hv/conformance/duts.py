"""Who can be put to the tests: `ours`, `qemu`, or `module:Class`."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hv.conformance.dut import DEVICES, INTERFACES, Dut, MakeDut
from hv.errors import ConfigError
from hv.qemu.process import find_qemu

KNOWN = ("ours", "qemu")
"""Devices whose differences are written down: what they do not offer is one."""


def kinds(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the devices and the interfaces that a device under test has; raises ConfigError."""
    if name in KNOWN:
        return tuple(DEVICES), INTERFACES
    user = _user(name)
    return user.devices, user.interfaces


def check(name: str) -> None:
    """Refuse a device that cannot be put to the tests here; raises ThawvisorError."""
    kinds(name)
    if name == "qemu":
        find_qemu()


@contextmanager
def maker(name: str) -> Iterator[MakeDut]:
    """Give what makes devices under test; what they share ends with the block. Raises ThawvisorError."""
    if name == "ours":
        from hv.conformance.ours import make

        yield make
    elif name == "qemu":
        from hv.conformance.qemu import QemuMaker

        with QemuMaker() as qemu:
            yield qemu
    else:
        yield _user(name)


def _user(name: str) -> type[Dut]:
    """Return the class that `module:Class` names; the module may lie in the current folder."""
    module, colon, class_name = name.partition(":")
    if not colon:
        raise ConfigError(f"--dut {name}: is none of {', '.join(KNOWN)}; name your own as module:Class")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--dut {name}: {error}; check the names, and that the module is here") from error
    if not (isinstance(found, type) and issubclass(found, Dut)):
        raise ConfigError(f"--dut {name}: is no hv.conformance.dut.Dut; derive the class from it")
    return found
