"""The Linux kit for tests, which skip, with the reason, where there is none and none can be made."""

import pytest

from hv.errors import HostError
from hv.linux.kit import Kit, default_folder, fetch


def find_kit() -> Kit:
    """Return the kit in the user's cache, made if need be, or skip the test."""
    found = Kit(default_folder())
    try:
        return found if found.complete else fetch(found.folder)
    except HostError as error:
        pytest.skip(str(error))
