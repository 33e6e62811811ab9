"""QEMU beside us: a process of it, its monitor, and its devices without a guest."""
