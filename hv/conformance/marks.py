"""How a test says what it shows."""

import pytest

BOTH = "both"


def clauses(*ids: str, device: str = "all", interface: str = "modern") -> pytest.MarkDecorator:
    """Mark a test with the ids of the clauses that it shows, and with the devices that it runs on.

    Args:
        ids: such as "C031"; at least one.
        device: `balloon`, `block`, or `all` for each of them.
        interface: `modern`, `legacy`, or `both` for each of them.
    """
    return pytest.mark.clauses(*ids, device=device, interface=interface)
