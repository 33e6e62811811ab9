"""A QMP client of a few lines, synchronous (QEMU's `docs/interop/qmp-spec.rst`). Ours or QEMU's."""

import json
import socket
from pathlib import Path
from typing import Any, Self

from hv.errors import ConfigError, ThawvisorError

PATIENCE_S = 120.0
"""Seconds that a server on a busy host may take for an answer."""


class QmpError(ThawvisorError):
    """The server refused a command, or went away, or is none.

    Attributes:
        kind: the error's class, when a command was refused; else empty.
    """

    def __init__(self, text: str, kind: str = "") -> None:
        super().__init__(text)
        self.kind = kind


class Qmp:
    """A QMP session over a connected socket; the greeting is read and capabilities are negotiated.

    Attributes:
        version: (major, minor) of the server.

    Raises:
        QmpError: at the other end is no QMP server.
    """

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(PATIENCE_S)
        self._line = line
        self._received = b""
        self._events: list[dict[str, Any]] = []
        try:
            version = self._read()["QMP"]["version"]["qemu"]
            self.version: tuple[int, int] = (version["major"], version["minor"])
        except (KeyError, TypeError):
            raise QmpError("its greeting is not QMP's") from None
        self.execute("qmp_capabilities")

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Connect to a server's unix socket.

        Raises:
            ConfigError: there is no such socket, nobody listens, or who listens does not speak QMP.
        """
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(PATIENCE_S)
            line.connect(str(path))
            return cls(line)
        except OSError as error:
            line.close()
            reason = error.strerror or error
            raise ConfigError(
                f"QMP socket {path}: {reason}; is a machine running with -qmp unix:{path},server=on?"
            ) from None
        except QmpError as error:
            line.close()
            raise ConfigError(f"QMP socket {path}: {error}; give a machine's QMP socket") from None

    def close(self) -> None:
        """Disconnect."""
        self._line.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its answer; underscores in argument names become dashes.

        Raises:
            QmpError: the command failed.
        """
        arguments = {name.replace("_", "-"): value for name, value in arguments.items()}
        try:
            self._line.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        except OSError as error:
            raise QmpError(f"{command}: the server is gone ({error.strerror or error})") from None
        while "event" in (reply := self._read()):
            self._events.append(reply)
        if "return" not in reply:
            raise QmpError(f"{command}: {reply['error']['desc']}", reply["error"]["class"])
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
            try:
                data = self._line.recv(1 << 16)
            except TimeoutError:
                raise QmpError(f"no answer in {PATIENCE_S:.0f} s") from None
            except OSError as error:
                raise QmpError(f"the connection is broken ({error.strerror})") from None
            if not data:
                raise QmpError("the server closed its QMP socket")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise QmpError("what it says is not QMP")
        return message
