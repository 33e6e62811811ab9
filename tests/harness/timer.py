"""A hart's timer that stands still: what CLINT tests count with."""


class StoppedTimer:
    """A `devices.clint.Timer`; time passes only when someone sets it.

    Attributes:
        now: mtime, in ticks.
        deadline: mtimecmp, in ticks.
    """

    def __init__(self) -> None:
        self.now = 0
        self.deadline = 0

    def mtime(self) -> int:
        """Return the time."""
        return self.now

    def set_mtime(self, ticks: int) -> None:
        """Set the time."""
        self.now = ticks

    def mtimecmp(self) -> int:
        """Return the deadline."""
        return self.deadline

    def set_mtimecmp(self, ticks: int) -> None:
        """Set the deadline."""
        self.deadline = ticks
