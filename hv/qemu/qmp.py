"""A QMP client of a few lines, synchronous (QEMU's `docs/interop/qmp-spec.txt`)."""

import json
import socket
from typing import Any

from hv.errors import ThawvisorError


class QmpError(ThawvisorError):
    """QEMU refused a command, or went away."""


class Qmp:
    """A QMP session over a connected socket; the greeting is read and capabilities are negotiated.

    Attributes:
        version: (major, minor) of QEMU.
    """

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(30)
        self._line = line
        self._received = b""
        self._events: list[dict[str, Any]] = []
        version = self._read()["QMP"]["version"]["qemu"]
        self.version: tuple[int, int] = (version["major"], version["minor"])
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its answer; underscores in argument names become dashes.

        Raises:
            QmpError: the command failed.
        """
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._line.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while "event" in (reply := self._read()):
            self._events.append(reply)
        if "return" not in reply:
            raise QmpError(f"{command}: {reply['error']['desc']}")
        return reply["return"]

    def wait_event(self, name: str) -> dict[str, Any]:
        """Return the data of the next event called `name`; other events before it are dropped."""
        while True:
            event = self._events.pop(0) if self._events else self._read()
            if event.get("event") == name:
                data: dict[str, Any] = event.get("data", {})
                return data

    def _read(self) -> dict[str, Any]:
        while b"\n" not in self._received:
            data = self._line.recv(1 << 16)
            if not data:
                raise QmpError("QEMU closed its QMP socket")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message
