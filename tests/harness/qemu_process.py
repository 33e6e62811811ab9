"""QEMU for tests, which skip, with the reason, where it is not installed."""

from collections.abc import Sequence

import pytest

from hv.errors import HostError
from hv.qemu import process


def find_qemu() -> str:
    """Return QEMU's path, or skip the test."""
    try:
        return process.find_qemu()
    except HostError as error:
        pytest.skip(str(error))


class QemuProcess(process.QemuProcess):
    """A running QEMU; see `hv.qemu.process`."""

    def __init__(self, arguments: Sequence[str], sockets: Sequence[str], legacy: bool = False) -> None:
        find_qemu()
        super().__init__(arguments, sockets, legacy)
