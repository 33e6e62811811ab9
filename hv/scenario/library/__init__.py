"""The library: one scenario a file."""
