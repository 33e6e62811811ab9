"""Fuzzing of the virtio devices: `python -m tests.fuzz` (docs/fuzzing.md)."""
