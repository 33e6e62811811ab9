"""The guests that scenarios know, by name."""

from collections.abc import Mapping

from hv.scenario.guest import Guest, ToyGuest
from hv.scenario.linux import LinuxGuest

GUESTS: Mapping[str, type[Guest]] = {"toy": ToyGuest, "linux": LinuxGuest}
"""The toy kernel in `guest/`, and Debian's Linux from a kit."""
