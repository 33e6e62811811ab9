"""The chains that a driver makes available (spec: "The Virtqueue Descriptor Table", "Message Framing")."""

from collections.abc import Mapping
from typing import ClassVar

from devices.virtio.constants import VIRTIO_F_IN_ORDER, VIRTIO_RING_F_INDIRECT_DESC
from hv.monitor.area import Area
from hv.monitor.ring import Chain, Descriptor, Ring

_BYTES_MAX = 1 << 32
_EXCESSIVE = 1024
_ACCESS_PLATFORM = 33


class Buffers(Area):
    """Descriptors and available rings."""

    CLAUSES: ClassVar[Mapping[str, str]] = {
        "C070": "descriptors and ring entry of a chain are unchanged when the device gives it back",
        "C094": "ring and buffers are in RAM, unless VIRTIO_F_ACCESS_PLATFORM was offered",
        "C124": "in a chain no buffer that the device reads comes after one that it writes",
        "C125": "no chain has more than 1024 descriptors",
        "C130": "the buffers of a chain have no more than 2^32 bytes together, and the chain ends",
        "C131": "with IN_ORDER the next descriptor is the one behind, or 0 behind the last",
        "C132": "no INDIRECT flag without VIRTIO_RING_F_INDIRECT_DESC",
        "C133": "no INDIRECT flag in an indirect table",
        "C134": "no chain is longer than the queue",
        "C135": "no INDIRECT flag together with NEXT",
        "C136": "with IN_ORDER indirect descriptors are in sequence",
        "C139": "the available index never falls, nor runs more than a queue ahead",
        "C168": "several heads are placed before one update of the index, as far as the looks tell",
        "C169": "several chains become available with one update of the index, as far as the looks tell",
    }

    def began(self, ring: Ring) -> None:
        """Judge where a ring is."""
        self._physical(ring.usable, f"queue {ring.index} is not in RAM")

    def fell(self, ring: Ring) -> None:
        """The available index cannot have moved like this."""
        detail = f"moved the available index of queue {ring.index} from {ring.available} to {ring.avail_idx}"
        self.judge("C139", False, f"{detail}, with {len(ring.outstanding)} buffers at the device")

    def appeared(self, ring: Ring, chain: Chain) -> None:
        """Judge a chain."""
        where = f"chain {chain.head} of queue {ring.index}"
        self.exercised("C139")
        if ring.available != (chain.position + 1) & 0xFFFF:
            self.exercised("C168")
            self.exercised("C169")
        buffers = chain.buffers
        total = sum(descriptor.length for descriptor in buffers)
        self.judge("C130", total <= _BYTES_MAX and not chain.endless, f"{where}: endless, or {total} bytes")
        self.judge(
            "C134", len(buffers) <= ring.size, f"{where} has {len(buffers)} of {ring.size} descriptors"
        )
        self.judge("C125", len(buffers) <= _EXCESSIVE, f"{where} has {len(buffers)} descriptors")
        written = [descriptor.writable for descriptor in buffers]
        self.judge("C124", written == sorted(written), f"{where}: one to be read behind one to be written")
        self._judge_indirect(chain, where)
        if self.conduct.negotiated(VIRTIO_F_IN_ORDER):
            self._in_sequence("C131", chain.direct, ring.size, where)
            self._in_sequence("C136", chain.table, len(chain.table) + 1, where)
        contains = self.conduct.memory.contains
        strays = [d for d in buffers if d.length and not contains(d.addr, d.length)]
        first = strays[0].addr if strays else 0
        self._physical(not strays, f"{where}: the buffer at {first:#x} is not in RAM")

    def returned(self, ring: Ring, chain: Chain) -> None:
        """Judge what was done to a chain while the device had it."""
        self._unchanged(ring, chain)

    def looked(self, ring: Ring) -> None:
        """Judge what is done to the chains that the device has."""
        for chain in ring.outstanding.values():
            if ring.altered(chain):
                self._unchanged(ring, chain)

    def _unchanged(self, ring: Ring, chain: Chain) -> None:
        changed = ring.altered(chain)
        self.judge("C070", not changed, f"changed chain {chain.head} of queue {ring.index} behind the device")

    def _judge_indirect(self, chain: Chain, where: str) -> None:
        indirect = [descriptor for descriptor in chain.direct if descriptor.indirect]
        if not indirect:
            return
        allowed = self.conduct.negotiated(VIRTIO_RING_F_INDIRECT_DESC)
        self.judge("C132", allowed, f"{where}: INDIRECT, which was not negotiated")
        nested = any(descriptor.indirect for descriptor in chain.table)
        self.judge("C133", not nested, f"{where}: INDIRECT in an indirect table")
        both = any(descriptor.chained for descriptor in indirect)
        self.judge("C135", not both, f"{where}: INDIRECT and NEXT together")

    def _in_sequence(self, clause: str, descriptors: list[Descriptor], size: int, where: str) -> None:
        linked = [descriptor for descriptor in descriptors if descriptor.chained]
        wrong = [d for d in linked if d.next != (d.at + 1) % size]
        if linked:
            detail = f"{where}: {wrong[0].at} leads to {wrong[0].next}" if wrong else ""
            self.judge(clause, not wrong, detail)

    def _physical(self, holds: bool, detail: str) -> None:
        if not self.conduct.offers(_ACCESS_PLATFORM):
            self.judge("C094", holds, detail)
