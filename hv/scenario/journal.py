"""What a scenario did and found: steps with virtual time, figures by name, findings."""

from dataclasses import dataclass, field
from typing import NamedTuple

Figure = int | float | str


class Event(NamedTuple):
    """One step.

    Attributes:
        run: number of the machine, from 1.
        ns: that machine's virtual time.
        side: `host`, `guest`, or `scenario` for what the author does and judges.
        text: what happened.
    """

    run: int
    ns: int
    side: str
    text: str


class Finding(NamedTuple):
    """Something is not as promised.

    Attributes:
        run: number of the machine, from 1.
        ns: its virtual time.
        text: what is wrong, with the figures.
    """

    run: int
    ns: int
    text: str


@dataclass
class Journal:
    """All of it, in order.

    Attributes:
        events: the steps.
        figures: what was measured, by name.
        findings: what is wrong; a scenario without any has passed.
    """

    events: list[Event] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
