"""One client of a QMP server: its requests in, replies and events out, never waiting for it."""

import socket
from collections.abc import Callable
from typing import Any

import msgspec

from hv.qmp.commands import NEGOTIATE, version_info
from hv.qmp.errors import CommandError
from hv.qmp.framing import Framer

OUTPUT_MAX = 1 << 20
"""Bytes that wait for a client that does not read, before it is let go."""

_READ = 1 << 16

Execute = Callable[[str, dict[str, Any]], object]


class Connection:
    """A client.

    Args:
        line: the socket, connected.
        execute: carries out a command by name and arguments; raises CommandError.

    Attributes:
        line: the socket.
        closed: the client is gone, or was let go.
        negotiated: it has done with the greeting, and hears of events.
    """

    def __init__(self, line: socket.socket, execute: Execute) -> None:
        line.setblocking(False)
        self.line = line
        self.closed = False
        self.negotiated = False
        self._execute = execute
        self._framer = Framer()
        self._output = bytearray()
        self.send({"QMP": {"version": version_info(), "capabilities": []}})

    @property
    def waiting(self) -> bool:
        """Whether output waits until the client reads."""
        return bool(self._output)

    def close(self) -> None:
        """Let the client go."""
        self.closed = True
        self.line.close()

    def receive(self) -> None:
        """Take what the client has sent, and answer each request in it."""
        try:
            data = self.line.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        for message in self._framer.feed(data):
            if not self.closed:
                self._answer(message)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, or keep it until the client reads; one that does not read for long is let go."""
        if not self.closed:
            self._output += msgspec.json.encode(message) + b"\r\n"
            self.flush()
            if len(self._output) > OUTPUT_MAX:
                self.close()

    def flush(self) -> None:
        """Send what waits, as far as the client takes it."""
        try:
            while self._output:
                del self._output[: self.line.send(self._output)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _answer(self, message: bytes) -> None:
        identity: dict[str, Any] = {}
        try:
            request = _decode(message)
            identity = {name: request.pop(name) for name in ("id",) if name in request}
            reply = {"return": self._carry_out(request)}
        except CommandError as error:
            reply = {"error": error.as_json()}
        self.send(reply | identity)

    def _carry_out(self, request: dict[str, Any]) -> object:
        """Check the shape of a request and do it; raises CommandError."""
        for name in request:
            if name not in ("execute", "arguments"):
                raise CommandError(f"QMP input member '{name}' is unexpected")
        if "execute" not in request:
            raise CommandError("QMP input lacks member 'execute'")
        command, arguments = request["execute"], request.get("arguments", {})
        if not isinstance(command, str):
            raise CommandError("QMP input member 'execute' must be a string")
        if not isinstance(arguments, dict):
            raise CommandError("QMP input member 'arguments' must be an object")
        if not self.negotiated and command != NEGOTIATE:
            raise CommandError(f"Expecting capabilities negotiation with '{NEGOTIATE}'", "CommandNotFound")
        if self.negotiated and command == NEGOTIATE:
            raise CommandError(
                "Capabilities negotiation is already complete, command ignored", "CommandNotFound"
            )
        result = self._execute(command, arguments)
        self.negotiated = True
        return result


def _decode(message: bytes) -> dict[str, Any]:
    """Read a request; raises CommandError."""
    try:
        request = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"JSON parse error, {error}") from None
    if not isinstance(request, dict):
        raise CommandError("QMP input must be a JSON object")
    return request
