"""The Linux kit for tests, which skip, with the reason, where there is none and none can be made."""

from functools import cache

import pytest

from hv.errors import HostError
from hv.linux.kit import Kit, default_folder, ensure


def find_kit() -> Kit:
    """Return the kit in the user's cache, made if need be, or skip the test."""
    found = _ensure()
    if isinstance(found, Kit):
        return found
    pytest.skip(found)


@cache
def _ensure() -> Kit | str:
    """Return the kit, or why there is none: a network that is silent costs its minutes once."""
    try:
        return ensure(default_folder())
    except HostError as error:
        return str(error)
