"""Holes in files: ranges that read zero and take no room (fallocate, which the standard library has not)."""

import ctypes
import errno
import os

_FALLOC_FL_KEEP_SIZE = 1
_FALLOC_FL_PUNCH_HOLE = 2
"""linux/falloc.h"""

_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def punch_hole(fd: int, offset: int, length: int) -> bool:
    """Have `length` bytes of an open file from `offset` on read zero, and give their room back.

    Returns whether it is done; a file system without holes leaves the range as it is. Raises OSError.
    """
    if not length:
        return True
    while _fallocate(fd, _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE, offset, length):
        error = ctypes.get_errno()
        if error == errno.EOPNOTSUPP:
            return False
        if error != errno.EINTR:
            raise OSError(error, os.strerror(error))
    return True
