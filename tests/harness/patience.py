"""How long tests wait for what happens outside their own process."""

PATIENCE_S = 300.0
"""Seconds until what is silent counts as hung. A busy host is slow, and no test may fail for that."""
