"""Debian's Linux as a guest: where its parts come from, and how they are put together."""
