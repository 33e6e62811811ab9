"""The one thing a device knows of interrupts."""

from typing import Protocol


class IrqLine(Protocol):
    """A level-triggered interrupt wire into an interrupt controller."""

    def set_level(self, level: bool) -> None:
        """Drive the wire high or low; driving the level that it already has is harmless."""
