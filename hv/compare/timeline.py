"""A timeline of both sides: what the guest was doing, what the devices moved, whose memory it was.

Three lanes over one axis, which all eras share so that lengths compare: the guest's phases with a tick for
each message of its kernel, the host with what it moved and did, and below them a curve of the host's memory
and one of the balloon. A long time in which nothing happens at all is cut out, and the cut marked.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from hv.compare.evidence import PAGE_MOVES, Evidence, Leg, Message
from hv.markup import Markup, tag

WIDTH, LEFT, RIGHT = 1120.0, 64.0, 8.0
GUEST_Y, HOST_Y, MEMORY_Y, LANE, MEMORY = 18.0, 46.0, 74.0, 22.0, 56.0
HEIGHT = MEMORY_Y + MEMORY + 20.0
POWER_OFF_GAP = 26.0
CUT = 22.0
"""Width of what is drawn for a stretch of idle time that was cut out."""

LEG_MIN = 120.0
"""Room for the name of a leg, however short it is."""

NARROW = 1.5
LABEL_MIN = 52.0
BURST_NS = 1_000_000
"""Transfers of a kind that are no further apart are drawn as one."""

PHASES = (
    ("hibernation entry", "freeze"),
    ("Preallocating image memory", "preallocate"),
    ("Allocated", "freeze devices"),
    ("Creating image", "snapshot"),
    ("Saving image data", "write image"),
    ("Image saved", "power off"),
    ("Image found", "load image"),
    ("Image loaded", "jump"),
    ("resumed from", "restore"),
    ("hibernation exit", "awake"),
)
"""Parts of the kernel's messages, and the phase that begins with each."""


class Layout(NamedTuple):
    """What the timelines share.

    Attributes:
        idle_ns: a stretch in which nothing happens is cut out when it is longer: as long as all that the
            quickest era does.
        per_ns: pixels.
    """

    idle_ns: int
    per_ns: float


def layout(evidence: Sequence[Evidence]) -> Layout:
    """Return the scale at which every era fits."""
    journeys = [(each.asleep, each.awake) for each in evidence]
    idle_ns = min(sum(leg.end_ns - leg.start_ns for leg in legs) for legs in journeys)
    cuts = [[cut for leg in legs for cut in _idle(leg, idle_ns)] for legs in journeys]
    drawn_ns = [
        sum(leg.end_ns - leg.start_ns for leg in legs) - sum(end - start for start, end in cut)
        for legs, cut in zip(journeys, cuts, strict=True)
    ]
    room = WIDTH - LEFT - RIGHT - POWER_OFF_GAP - LEG_MIN - CUT * max(map(len, cuts))
    return Layout(idle_ns, room / max(drawn_ns))


def _idle(leg: Leg, longer_ns: int) -> Iterator[tuple[int, int]]:
    times = {leg.start_ns, leg.end_ns}
    times |= {each.ns for each in leg.messages} | {each.ns for each in leg.transfers}
    for start, end in pairwise(sorted(times)):
        if end - start > longer_ns:
            yield start, end


class Scale:
    """Turns the time of one leg into a place.

    Args:
        leg: it.
        left: where it begins.
        shared: what all timelines share.
    """

    def __init__(self, leg: Leg, left: float, shared: Layout) -> None:
        self._start, self._left, self._per_ns = leg.start_ns, left, shared.per_ns
        self.cuts = list(_idle(leg, shared.idle_ns))

    def x(self, ns: int) -> float:
        """Return where a time is."""
        idle = [(min(ns, end) - start, end - start) for start, end in self.cuts if start < ns]
        cut = sum(passed for passed, _ in idle)
        drawn = sum(CUT * passed / whole for passed, whole in idle)
        return self._left + (ns - self._start - cut) * self._per_ns + drawn


def draw(evidence: Evidence, shared: Layout, ram_pages: int) -> Markup:
    """Return an era's timeline.

    Args:
        evidence: the era's.
        shared: what all timelines share.
        ram_pages: the top of the curves.
    """
    asleep = Scale(evidence.asleep, LEFT, shared)
    awake_at = max(asleep.x(evidence.asleep.end_ns), LEFT + LEG_MIN) + POWER_OFF_GAP
    awake = Scale(evidence.awake, awake_at, shared)
    middle = awake_at - POWER_OFF_GAP / 2
    shapes: list[str] = [
        *(_text(2, y + LANE * 0.7, name, "lane") for name, y in (("guest", GUEST_Y), ("host", HOST_Y))),
        _text(2, MEMORY_Y + 12, "memory", "lane"),
        _text(LEFT, 11, "machine 1: to sleep", "machine"),
        _text(awake_at, 11, "machine 2: resume", "machine"),
        tag("line", x1=middle, x2=middle, y1=GUEST_Y, y2=MEMORY_Y + MEMORY, class_="off"),
    ]
    for leg, scale in ((evidence.asleep, asleep), (evidence.awake, awake)):
        shapes += [*_phases(leg, scale), *_transfers(leg, scale), *_messages(leg, scale)]
        shapes += [*_curves(leg, scale, ram_pages), *_axis(leg, scale), *_cuts(scale)]
    label = (
        f"Timeline of {evidence.era}: {(evidence.asleep.end_ns - evidence.asleep.start_ns) / 1e6:.1f} ms to"
        f" sleep, {evidence.awake.end_ns / 1e6:.1f} ms to resume"
    )
    return tag(
        "svg",
        *shapes,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
        aria_label=label,
        class_="timeline",
    )


def _phases(leg: Leg, scale: Scale) -> Iterator[Markup]:
    """Bars from one known message of the kernel to the next."""
    begins = [(leg.start_ns, "boot" if leg.start_ns == 0 else "")]
    for message in leg.messages:
        begins += [
            (message.ns, name) for part, name in PHASES if message.side == "guest" and part in message.text
        ]
    for number, ((start, name), (end, _)) in enumerate(
        zip(begins, [*begins[1:], (leg.end_ns, "")], strict=True)
    ):
        left, right = scale.x(start), scale.x(end)
        if not name or right <= left:
            continue
        bar = tag("rect", x=left, y=GUEST_Y, width=right - left, height=LANE, class_=f"phase p{number % 2}")
        yield tag("g", tag("title", f"{name}: {(end - start) / 1e6:.3f} ms"), bar)
        if right - left > LABEL_MIN:
            yield _text((left + right) / 2, GUEST_Y + LANE * 0.68, name, "label")


class Burst(NamedTuple):
    """Transfers of a kind that follow each other closely."""

    start_ns: int
    end_ns: int
    kind: str
    requests: int
    amount: int


def bursts(leg: Leg) -> list[Burst]:
    """Join transfers of a kind that are less than BURST_NS apart."""
    joined: list[Burst] = []
    for transfer in leg.transfers:
        last = joined[-1] if joined else None
        if last and last.kind == transfer.kind and transfer.ns - last.end_ns <= BURST_NS:
            joined[-1] = Burst(
                last.start_ns,
                transfer.ns,
                last.kind,
                last.requests + transfer.requests,
                last.amount + transfer.amount,
            )
        else:
            joined.append(Burst(transfer.ns, *transfer))
    return joined


def _transfers(leg: Leg, scale: Scale) -> Iterator[Markup]:
    for burst in bursts(leg):
        left = scale.x(burst.start_ns)
        width = max(scale.x(burst.end_ns) - left, NARROW)
        moved = f"{burst.amount} pages" if burst.kind in PAGE_MOVES else f"{burst.amount / 1024:.0f} KiB"
        text = f"{burst.kind}: {moved} in {burst.requests} requests, {_when(burst.start_ns)}"
        bar = tag("rect", x=left, y=HOST_Y, width=width, height=LANE, class_=f"move {burst.kind}")
        yield tag("g", tag("title", text), bar)


def _messages(leg: Leg, scale: Scale) -> Iterator[Markup]:
    """A tick for each moment at which a side said something, with all that it said."""
    for side, y in (("guest", GUEST_Y), ("host", HOST_Y)):
        places: dict[float, list[Message]] = {}
        for message in leg.messages:
            if message.side == side:
                places.setdefault(round(scale.x(message.ns)), []).append(message)
        for x, said in places.items():
            text = "\n".join(f"{_when(each.ns)}  {each.text}" for each in said)
            tick = tag("rect", x=x - 1.0, y=y - 2, width=2.0, height=LANE + 4, class_="tick")
            yield tag("g", tag("title", text), tick)


def _curves(leg: Leg, scale: Scale, ram_pages: int) -> Iterator[Markup]:
    base = MEMORY_Y + MEMORY

    def steps(values: Iterable[tuple[int, int]]) -> Iterator[str]:
        """Each value holds until the next; a point is kept only where the line bends."""
        last = None
        for ns, pages in values:
            here = f"{scale.x(ns):.1f}", f"{base - MEMORY * pages / ram_pages:.1f}"
            if last is not None and here != last:
                yield f"{here[0]},{last[1]}"
            if here != last:
                yield ",".join(here)
            last = here

    start, end = scale.x(leg.start_ns), scale.x(leg.end_ns)
    resident = " ".join(steps((each.ns, each.resident) for each in leg.samples))
    ballooned = " ".join(steps((each.ns, each.ballooned) for each in leg.samples))
    yield tag("rect", x=start, y=MEMORY_Y, width=end - start, height=MEMORY, class_="ground")
    title = tag("title", f"host memory that guest RAM takes: at most {leg.peak} of {ram_pages} pages")
    yield tag("polygon", title, points=f"{start:.1f},{base} {resident} {end:.1f},{base}", class_="resident")
    first, last = leg.samples[0].ballooned, leg.samples[-1].ballooned
    title = tag("title", f"balloon: {first} pages at first, {last} at the end")
    yield tag("polyline", title, points=ballooned, class_="ballooned")


def _axis(leg: Leg, scale: Scale) -> Iterator[Markup]:
    y = MEMORY_Y + MEMORY
    for ns in (leg.start_ns, leg.end_ns):
        x = scale.x(ns)
        anchor = "start" if ns == leg.start_ns or x - scale.x(leg.start_ns) < LABEL_MIN else "end"
        yield tag("line", x1=x, x2=x, y1=y, y2=y + 4, class_="axis")
        if ns == leg.start_ns and scale.x(leg.end_ns) - x < LABEL_MIN:
            continue
        text = "0" if ns == leg.start_ns else f"{(ns - leg.start_ns) / 1e6:.2f} ms"
        yield tag("text", text, x=x, y=y + 15, text_anchor=anchor, class_="axis")


def _cuts(scale: Scale) -> Iterator[Markup]:
    for start, end in scale.cuts:
        x, waited = scale.x(start), (end - start) / 1e9
        box = tag("rect", x=x, y=HOST_Y, width=CUT, height=MEMORY_Y + MEMORY - HOST_Y, class_="cut")
        yield tag("g", tag("title", f"{waited:.6f} s in which nothing happens, not drawn"), box)
        yield _text(x + CUT / 2, MEMORY_Y + MEMORY / 2, _short(end - start), "label")


def _short(ns: int) -> str:
    return f"{ns / 1e9:.1f} s" if ns >= 1e8 else f"{ns / 1e6:.0f} ms"


def _when(ns: int) -> str:
    return f"{ns / 1e6:.3f} ms"


def _text(x: float, y: float, text: str, kind: str) -> Markup:
    return tag("text", text, x=float(x), y=float(y), class_=kind)
