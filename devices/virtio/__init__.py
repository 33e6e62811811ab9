"""Virtio devices over the split ring and MMIO, version 2 (virtio 1.x).

From below: `constants` (the numbers), `kernels` (jitted ring code), `queue` (one virtqueue), `device`
(what every device is), `balloon` and `block` (one device each) with `backends` (disks), and `mmio` (the
transport).
"""
