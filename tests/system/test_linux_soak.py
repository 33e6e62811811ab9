"""The soak of Linux, shortened; `make soak` is the long one."""

import pytest

from hv.linux.kit import Kit
from tests.system import soak

pytestmark = pytest.mark.campaign


def test_nothing_is_lost_in_a_soak(kit: Kit) -> None:
    """Two minutes under pressure: every checksum right, and the snapshots in between leave no trace."""
    first, second = soak.compare(kit, minutes=2, seed=1)
    assert first == second
    last = first.minutes[-1]
    assert last.bad == 0
    assert min(last.verified, last.inflated, last.swapped) > 0
