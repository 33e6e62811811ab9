"""Bugs of a disk: its features, its cache, ranges that are cleared."""

from tests.mutants.mutant import Mutant

_CONFIG = "        return describe(self._backend.size, self._writeback)\n"
_RO = "            | backend.read_only << VIRTIO_BLK_F_RO\n"

BLOCK = (
    Mutant(
        "no-cache",
        "C290",
        "a disk has no cache to speak of: neither FLUSH nor CONFIG_WCE is offered",
        "block.device",
        "            | 1 << VIRTIO_BLK_F_FLUSH\n"
        "            | 1 << VIRTIO_BLK_F_TOPOLOGY\n"
        "            | 1 << VIRTIO_BLK_F_CONFIG_WCE\n",
        "            | 1 << VIRTIO_BLK_F_TOPOLOGY\n",
    ),
    Mutant(
        "flush-where-nothing-is-written",
        "C291",
        "FLUSH is offered for read-only disks alone, CONFIG_WCE for all",
        "block.device",
        "            | 1 << VIRTIO_BLK_F_FLUSH\n",
        "            | backend.read_only << VIRTIO_BLK_F_FLUSH\n",
    ),
    Mutant(
        "cached-for-ever",
        "C292",
        "a driver that cannot flush has a cache in writeback mode",
        "block.device",
        "            self._writeback = False\n",
        "            self._writeback = True\n",
    ),
    Mutant(
        "padding-used",
        "C293",
        "the byte behind `writeback` is a copy of it",
        "block.device",
        _CONFIG,
        "        told = describe(self._backend.size, self._writeback)\n"
        "        return told[:33] + told[32:33] + told[34:]\n",
    ),
    Mutant(
        "zoned",
        "C294",
        "ZONED is offered by a disk without zones",
        "block.device",
        _RO,
        _RO + "            | 1 << 17\n",
    ),
    Mutant(
        "legacy-written-through",
        "C295",
        "DRIVER_OK of a legacy driver without FLUSH makes the cache write through",
        "block.device",
        " & features >> VIRTIO_F_VERSION_1 & 1\n",
        " & 1\n",
    ),
    Mutant(
        "features-change-the-cache",
        "C296",
        "feature bits of a legacy driver change the cache's mode as they come",
        "legacy",
        "        self._driver_features &= self.offered\n",
        "        self._driver_features &= self.offered\n"
        "        self.device.agree(self._driver_features | 1 << 32)\n",
    ),
    Mutant(
        "flags-cut-off",
        "C298",
        "of the flags of a range only the lower half is looked at",
        "block.requests",
        "        if flags & ~known:\n",
        "        if flags & ~known & 0xFFFF:\n",
    ),
    Mutant(
        "discard-unmaps",
        "C299",
        "discard takes the unmap flag, which is for write zeroes",
        "block.requests",
        "self._range(data, known=0)",
        "self._range(data, known=VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)",
    ),
    Mutant(
        "unmapped-as-it-was",
        "C302",
        "write zeroes with unmap leaves the sectors as they were",
        "block.requests",
        "        self._backend.write_zeroes(offset, length, unmap=flags != 0)\n",
        "        self._backend.write_zeroes(offset, 0 if flags else length, unmap=flags != 0)\n",
    ),
    Mutant(
        "zones-flushed",
        "C305",
        "requests for zones are taken for flushes",
        "block.requests",
        "self._TYPES.get(kind)",
        "self._TYPES.get(VIRTIO_BLK_T_FLUSH if 15 <= kind <= 26 else kind)",
    ),
)
