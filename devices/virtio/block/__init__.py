"""The block device: sectors of a backend, read and written by requests of one queue.

It offers what QEMU's virtio-blk-device does, so that a guest which went to sleep there finds its disk here.

Spec: virtio 1.4, "Block Device"; Linux: drivers/block/virtio_blk.c.
"""

from devices.virtio.block.device import Block

__all__ = ["Block"]
