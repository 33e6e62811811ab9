"""The places that scenarios know, by name."""

from collections.abc import Mapping

from hv.scenario.place import Here, Place
from hv.scenario.qemu import OnQemu

PLACES: Mapping[str, Place] = {"here": Here(), "qemu": OnQemu()}
"""This package's own machines, and QEMU's."""
