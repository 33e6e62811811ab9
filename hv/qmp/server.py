"""A QMP server: a listening socket and its clients, looked after between two slices of the guest.

There is no thread. Whoever runs the machine waits (`select`) on `readers` and `writers` beside what else it
waits for, at most `wait_s`, and then calls `serve`.
"""

import os
import select
import socket
from collections.abc import Iterable
from typing import Any, Self

from hv.errors import ConfigError, HostError
from hv.qmp.address import Address
from hv.qmp.commands import execute
from hv.qmp.connection import Connection
from hv.qmp.events import Events
from hv.vm import Vm

CLIENTS_MAX = 8
"""Clients at a time; further ones wait for one to leave, as they do after the first in QEMU."""


class QmpServer:
    """Listens at an address and serves its clients. A context manager, which closes and removes the socket.

    Args:
        address: where.
        vm: what the commands act on.

    Raises:
        ConfigError: something else is at that place.
        HostError: the socket cannot be made.
    """

    def __init__(self, address: Address, vm: Vm) -> None:
        self.address = address
        self._vm = vm
        self._events = Events(self._broadcast)
        self._clients: list[Connection] = []
        self._listener = _listen(address)
        vm.listeners.append(self._events.emit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for client in self._clients:
            client.close()
        self._listener.close()
        self.address.path.unlink(missing_ok=True)

    @property
    def readers(self) -> list[socket.socket]:
        """The sockets on which something may come."""
        clients = self._open()
        listener = [self._listener] if len(clients) < CLIENTS_MAX else []
        return [*listener, *(client.line for client in clients)]

    @property
    def writers(self) -> list[socket.socket]:
        """The sockets of clients that have not read what they were sent."""
        return [client.line for client in self._open() if client.waiting]

    def wait_s(self) -> float | None:
        """Seconds after which `serve` has something to do even if no socket is ready; None for never."""
        return self._events.wait_s()

    def serve(self, ready: Iterable[object]) -> None:
        """Look after the sockets that are ready: take a new client, carry out commands, send what waits.

        Raises:
            HostError: an input that a command brought cannot be recorded.
        """
        ready = set(ready)
        self._events.send_due()
        if self._listener in ready:
            self._accept()
        for client in self._clients:
            if client.line in ready:
                client.flush()
                if not client.closed:
                    client.receive()
        self._clients = self._open()

    def wait_for_client(self) -> None:
        """Wait until somebody connects (`wait=on`)."""
        while not self._clients:
            self.serve(select.select([self._listener], [], [])[0])

    def _open(self) -> list[Connection]:
        return [client for client in self._clients if not client.closed]

    def _accept(self) -> None:
        try:
            line, _ = self._listener.accept()
        except OSError:  # it has gone again
            return
        self._clients.append(Connection(line, self._execute))

    def _execute(self, name: str, arguments: dict[str, Any]) -> object:
        return execute(self._vm, name, arguments)

    def _broadcast(self, event: dict[str, Any]) -> None:
        for client in self._clients:
            if client.negotiated:
                client.send(event)


def _listen(address: Address) -> socket.socket:
    """Make the socket; only its owner can connect."""
    path = address.path
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    try:
        _clear(address)
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen()
    except OSError as error:
        listener.close()
        raise HostError(f"-qmp socket {path}: {error.strerror}; choose another place") from None
    except ConfigError:
        listener.close()
        raise
    return listener


def _clear(address: Address) -> None:
    """Remove the socket of a run that is over; raises ConfigError for anything that is not ours to remove."""
    path = address.path
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError(f"-qmp socket {path}: something else is there; choose another place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ConfigError(f"-qmp socket {path}: another process listens there; choose another place")
