"""PLIC: every sequence of wires, registers and claims against a model written from the specification."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.plic import PLIC_MAX_SOURCES, Plic
from devices.state import StateError
from hv.conformance.ours import Wire

SOURCES = 40
"""Two words of sources, the second not full."""
CONTEXTS = 2

PRIORITY, PENDING, ENABLE, THRESHOLD, CLAIM = 0x0, 0x1000, 0x2000, 0x20_0000, 0x20_0004
ENABLE_STRIDE, CONTEXT_STRIDE = 0x80, 0x1000

sources = st.sampled_from((1, 2, 31, 32, SOURCES))
contexts = st.integers(0, CONTEXTS - 1)
steps = st.one_of(
    st.tuples(st.just("wire"), sources, st.booleans()),
    st.tuples(st.just("priority"), sources, st.integers(0, 9)),
    st.tuples(st.just("enable"), contexts, st.frozensets(sources)),
    st.tuples(st.just("threshold"), contexts, st.integers(0, 9)),
    st.tuples(st.just("claim"), contexts, st.none()),
    st.tuples(st.just("complete"), contexts, st.one_of(sources, st.sampled_from((0, 41, 1 << 31)))),
)


@dataclass
class Source:
    """One source as the specification tells it."""

    wire: bool = False
    pending: bool = False
    in_service: bool = False
    priority: int = 0

    def gateway(self) -> None:
        """Forward one request for a high wire unless one is on its way already."""
        if self.wire and not self.in_service:
            self.pending = True


class Model:
    """The specification's PLIC, one source at a time."""

    def __init__(self) -> None:
        self.sources = {irq: Source() for irq in range(1, SOURCES + 1)}
        self.enabled: list[frozenset[int]] = [frozenset()] * CONTEXTS
        self.threshold = [0] * CONTEXTS

    def candidates(self, context: int) -> list[tuple[int, int]]:
        """Return (-priority, number) of all that may interrupt the context: the smallest is the best."""
        return [
            (-source.priority, irq)
            for irq, source in self.sources.items()
            if source.pending and source.priority and irq in self.enabled[context]
        ]

    def interrupts(self, context: int) -> bool:
        """Whether the context's wire is high."""
        return any(-negative > self.threshold[context] for negative, _ in self.candidates(context))

    def claim(self, context: int) -> int:
        """Claim."""
        irq = min(self.candidates(context), default=(0, 0))[1]
        if irq:
            self.sources[irq].pending = False
            self.sources[irq].in_service = True
        return irq

    def complete(self, context: int, irq: int) -> None:
        """Complete."""
        if irq in self.enabled[context]:
            self.sources[irq].in_service = False


opening = [
    *(("priority", irq, 1) for irq in (1, 2, 31, 32, SOURCES)),
    *(("enable", context, frozenset((1, 2, 31, 32, SOURCES))) for context in range(CONTEXTS)),
]
"""All equal and enabled: most steps then do something."""


@given(st.lists(steps, max_size=60).map(lambda drawn: opening + drawn))
def test_any_sequence_agrees_with_the_specification(sequence: list[tuple[str, int, object]]) -> None:
    """Claims, pending bits and the contexts' wires are the model's after every step."""
    model = Model()
    wires = [Wire() for _ in range(CONTEXTS)]
    plic = Plic(SOURCES, wires)
    lines = {irq: plic.line(irq) for irq in model.sources}
    for step, which, value in sequence:
        match step, value:
            case "wire", bool(level):
                lines[which].set_level(level)
                model.sources[which].wire = level
            case "priority", int(priority):
                plic.write(PRIORITY + 4 * which, 4, priority)
                model.sources[which].priority = priority & 7
                assert plic.read(PRIORITY + 4 * which, 4) == priority & 7
            case "enable", frozenset(enabled):
                bits = sum(1 << irq for irq in enabled) | 1  # source 0 does not exist
                for word in range(2):
                    offset = ENABLE + ENABLE_STRIDE * which + 4 * word
                    plic.write(offset, 4, bits >> 32 * word)
                    assert plic.read(offset, 4) == (bits & ~1) >> 32 * word & 0xFFFF_FFFF
                model.enabled[which] = enabled
            case "threshold", int(threshold):
                plic.write(THRESHOLD + CONTEXT_STRIDE * which, 4, threshold)
                model.threshold[which] = threshold & 7
                assert plic.read(THRESHOLD + CONTEXT_STRIDE * which, 4) == threshold & 7
            case "claim", None:
                assert plic.read(CLAIM + CONTEXT_STRIDE * which, 4) == model.claim(which)
            case "complete", int(irq):
                plic.write(CLAIM + CONTEXT_STRIDE * which, 4, irq)
                model.complete(which, irq)
        for source in model.sources.values():
            source.gateway()
        pending = plic.read(PENDING, 4) | plic.read(PENDING + 4, 4) << 32
        assert pending == sum(1 << irq for irq, source in model.sources.items() if source.pending)
        assert [wire.level for wire in wires] == [model.interrupts(context) for context in range(CONTEXTS)]


def test_a_wire_that_stays_high_interrupts_again_after_completion() -> None:
    """Level-triggered: an unserved device asks again at once, a served one does not."""
    wire = Wire()
    plic = Plic(SOURCES, [wire])
    plic.write(PRIORITY + 4 * 10, 4, 1)
    plic.write(ENABLE, 4, 1 << 10)
    line = plic.line(10)
    line.set_level(True)
    assert plic.read(CLAIM, 4) == 10
    assert not wire.level
    plic.write(CLAIM, 4, 10)
    assert wire.level
    assert plic.read(CLAIM, 4) == 10
    line.set_level(False)
    plic.write(CLAIM, 4, 10)
    assert not wire.level
    assert plic.read(CLAIM, 4) == 0


@pytest.mark.parametrize("name", ["enable", "level", "pending", "claimed"])
@pytest.mark.parametrize("word", [0, 1])
def test_a_saved_set_has_only_sources_that_exist(name: str, word: int) -> None:
    """Bit 0, and bits above the last source, are refused with the field's name."""
    plic = Plic(SOURCES, [Wire()])
    state = plic.save()
    state[name][word] = 1 if word == 0 else 1 << SOURCES + 1 - 32
    with pytest.raises(StateError, match=rf"plic\.{name}: has sources outside 1\.\.{SOURCES}"):
        plic.restore(state)


@pytest.mark.parametrize("irq", [0, SOURCES + 1, -1])
def test_a_device_cannot_be_wired_to_a_source_that_does_not_exist(irq: int) -> None:
    """Wiring mistakes fail when the machine is built, with the numbers that exist."""
    with pytest.raises(ValueError, match=rf"interrupt {irq} is not one of the PLIC's sources 1\.\.{SOURCES}"):
        Plic(SOURCES, []).line(irq)


@pytest.mark.parametrize("count", [0, PLIC_MAX_SOURCES + 1])
def test_the_number_of_sources_is_bounded(count: int) -> None:
    """A PLIC without sources, or with more than its enable words have room for, is refused."""
    with pytest.raises(ValueError, match=r"a PLIC has 1\.\.127 sources"):
        Plic(count, [])
