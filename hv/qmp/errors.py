"""What a client gets instead of an answer, in QEMU's classes and words (`qapi/error.json`)."""


class CommandError(Exception):
    """A command that cannot be carried out.

    Args:
        text: one line for people.
        kind: QEMU's error class, for programs.
    """

    def __init__(self, text: str, kind: str = "GenericError") -> None:
        super().__init__(text)
        self.kind = kind

    def as_json(self) -> dict[str, str]:
        """Return the value of a reply's `error`."""
        return {"class": self.kind, "desc": str(self)}
