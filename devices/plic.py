"""SiFive PLIC: the interrupt controller between the devices' wires and the hart.

Each source has a gateway. A high wire becomes one pending request, which stays even if the wire drops.
Claiming takes the best pending request (highest priority, then lowest number; priority 0 never interrupts)
away and closes its gateway; completing opens the gateway again, and a wire that is still high becomes a new
request at once. Each context (a hart in one mode) enables sources for itself, and is interrupted while a
request that it enabled has a priority above its threshold.

Source: RISC-V PLIC specification 1.0.0; SiFive FU540-C000 manual, chapter 10; Linux's `irq-sifive-plic.c`.
Where QEMU 7.2's `hw/intc/sifive_plic.c` and the specification differ, this is the specification's PLIC; the
differences are in `tests/peers/test_board_registers.py`.
"""

from collections.abc import Sequence

from devices.irq import IrqLine
from devices.register import Register, RegisterDevice
from devices.state import Fields, State

PLIC_SIZE = 0x60_0000

PLIC_MAX_SOURCES = 127
PLIC_MAX_PRIORITY = 7
"""Priorities and thresholds have three bits, as on QEMU's board."""

_WORD = 0xFFFF_FFFF


def plic_registers(sources: int, contexts: int) -> tuple[Register, ...]:
    """Return the table for sources 1..`sources`; bit n of a bitmap is source n, and bit 0 is nobody's."""
    words = sources // 32 + 1
    return (
        Register(0x00_0004, "PRIORITY", repeat=((sources, 4),)),  # of source 1 + index
        Register(0x00_1000, "PENDING", "r", repeat=((words, 4),)),
        Register(0x00_2000, "ENABLE", repeat=((contexts, 0x80), (words, 4))),
        Register(0x20_0000, "THRESHOLD", repeat=((contexts, 0x1000),)),
        Register(0x20_0004, "CLAIM", repeat=((contexts, 0x1000),)),  # read to claim, write to complete
    )


class Plic(RegisterDevice):
    """The controller of sources 1..`sources`, with one wire into the hart for each context.

    Raises ValueError when there are more sources than PLIC_MAX_SOURCES.
    """

    def __init__(self, sources: int, contexts: Sequence[IrqLine]) -> None:
        if not 1 <= sources <= PLIC_MAX_SOURCES:
            raise ValueError(f"a PLIC has 1..{PLIC_MAX_SOURCES} sources, not {sources}")
        super().__init__(PLIC_SIZE, plic_registers(sources, len(contexts)))
        self._sources = sources
        self._contexts = tuple(contexts)
        self._valid = (1 << sources + 1) - 2
        self._words = sources // 32 + 1
        self._priority = [0] * (sources + 1)
        self._threshold = [0] * len(contexts)
        # Sets of sources are numbers whose bit n is source n.
        self._enable = [0] * len(contexts)
        self._level = 0
        self._pending = 0
        self._claimed = 0

    def line(self, irq: int) -> IrqLine:
        """Return the wire of source `irq`; raises ValueError when there is no such source."""
        if not 1 <= irq <= self._sources:
            raise ValueError(f"interrupt {irq} is not one of the PLIC's sources 1..{self._sources}")
        return _Gateway(self, 1 << irq)

    def set_source(self, bit: int, level: bool) -> None:
        """Drive the wire of the source whose bit is `bit`."""
        if level:
            self._level |= bit
            if not (self._pending | self._claimed) & bit:
                self._pending |= bit
                self._update()
        else:
            self._level &= ~bit

    def read_priority(self, index: int) -> int:
        """Priority of source 1 + index; 0 means never."""
        return self._priority[1 + index]

    def write_priority(self, index: int, value: int) -> None:
        """Set the priority of source 1 + index; WARL, three bits."""
        self._priority[1 + index] = value & PLIC_MAX_PRIORITY
        self._update()

    def read_pending(self, word: int) -> int:
        """Pending requests of sources 32 * word and up."""
        return self._pending >> 32 * word & _WORD

    def read_enable(self, context: int, word: int) -> int:
        """Sources 32 * word and up that may interrupt the context."""
        return self._enable[context] >> 32 * word & _WORD

    def write_enable(self, context: int, word: int, value: int) -> None:
        """Choose which of the sources 32 * word and up may interrupt the context."""
        shift = 32 * word
        self._enable[context] = (self._enable[context] & ~(_WORD << shift) | value << shift) & self._valid
        self._update()

    def read_threshold(self, context: int) -> int:
        """The context is interrupted by priorities above this."""
        return self._threshold[context]

    def write_threshold(self, context: int, value: int) -> None:
        """Set the context's threshold; WARL, three bits."""
        self._threshold[context] = value & PLIC_MAX_PRIORITY
        self._update()

    def read_claim(self, context: int) -> int:
        """Claim the best request for the context, whatever its threshold; 0 when there is none."""
        irq = self._best(context)
        if irq:
            self._pending &= ~(1 << irq)
            self._claimed |= 1 << irq
            self._update()
        return irq

    def write_claim(self, context: int, value: int) -> None:
        """Complete source `value`; ignored unless it is claimed and the context enables it."""
        bit = 1 << value if value <= self._sources else 0
        if bit & self._claimed & self._enable[context]:
            self._claimed &= ~bit
            self._pending |= bit & self._level
            self._update()

    def save(self) -> State:
        """Return registers, gateways and the levels of the wires; sets of sources as words of 32 bits."""
        return {
            "priority": self._priority[1:],
            "threshold": self._threshold[:],
            "enable": [word for sources in self._enable for word in self._split(sources)],
            "level": self._split(self._level),
            "pending": self._split(self._pending),
            "claimed": self._split(self._claimed),
        }

    def restore(self, state: State) -> None:
        """Take over a saved controller and drive the contexts' wires; raises StateError.

        Devices may be restored before or after: each drives the level that its wire had when this was saved.
        """
        names = ("priority", "threshold", "enable", "level", "pending", "claimed")
        fields = Fields(state, "plic", names)
        priority = fields.integers("priority", self._sources, 0, PLIC_MAX_PRIORITY)
        threshold = fields.integers("threshold", len(self._contexts), 0, PLIC_MAX_PRIORITY)
        enable = self._sets(fields, "enable", len(self._contexts))
        level, pending, claimed = (self._sets(fields, name, 1)[0] for name in ("level", "pending", "claimed"))
        self._priority = [0, *priority]
        self._threshold = threshold
        self._enable = enable
        self._level = level
        self._pending = pending
        self._claimed = claimed
        self._update()

    def _best(self, context: int) -> int:
        """Return the pending source that the context would claim, or 0."""
        best = top = 0
        candidates = self._pending & self._enable[context]
        while candidates:
            irq = (candidates & -candidates).bit_length() - 1
            if self._priority[irq] > top:
                best, top = irq, self._priority[irq]
            candidates &= candidates - 1
        return best

    def _update(self) -> None:
        for context, line in enumerate(self._contexts):
            line.set_level(self._priority[self._best(context)] > self._threshold[context])

    def _split(self, sources: int) -> list[int]:
        return [sources >> 32 * word & _WORD for word in range(self._words)]

    def _sets(self, fields: Fields, name: str, count: int) -> list[int]:
        """Return `count` saved sets of sources, each of `_words` words."""
        words = fields.integers(name, count * self._words, 0, _WORD)
        sets = [0] * count
        for i, word in enumerate(words):
            sets[i // self._words] |= word << 32 * (i % self._words)
        if any(sources & ~self._valid for sources in sets):
            raise fields.fail(name, f"has sources outside 1..{self._sources}")
        return sets


class _Gateway:
    """The wire of one source (an `IrqLine`)."""

    def __init__(self, plic: Plic, bit: int) -> None:
        self._plic = plic
        self._bit = bit

    def set_level(self, level: bool) -> None:
        self._plic.set_source(self._bit, level)
