"""The header of a RISC-V kernel Image.

Source: Linux `Documentation/arch/riscv/boot-image-header.rst`.
"""

import struct

IMAGE_MAGIC2 = b"RSC\x05"
"""At byte 56 of a RISC-V Image (`RISCV_IMAGE_MAGIC2`)."""

IMAGE_FLAG_BIG_ENDIAN = 1

IMAGE_HEADER = struct.Struct("<IIQQQIIQ8s4sI")
"""Two instructions, text_offset, image_size, flags, version, two reserved, a magic, this magic, one more."""


def is_image(data: bytes) -> bool:
    """Whether a file that begins with `data` is a RISC-V Image."""
    return len(data) >= IMAGE_HEADER.size and data[56:60] == IMAGE_MAGIC2
