"""A wire that remembers: the interrupt line that device tests look at."""


class Wire:
    """An `IrqLine` with nothing behind it.

    Attributes:
        level: what the device drives now.
    """

    def __init__(self) -> None:
        self.level = False

    def set_level(self, level: bool) -> None:
        """Take the level."""
        self.level = level
