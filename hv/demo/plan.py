"""What the story is about and what its processes tell each other: plain data that a pipe can carry."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hv.books import Entry
from hv.config import MachineConfig
from hv.hibernate import Carrier
from hv.shell import Workload


@dataclass(frozen=True)
class Plan:
    """One story.

    Attributes:
        config: the machine, of which each stage builds a fresh one; its balloon target is the one before
        inflation. carrier: who carries the image.
        touch: pages that the guest fills with a pattern.
        target: the host's balloon target in pages, set after touching and kept for the machine that resumes.
        image: the host image (HOST only).
    """

    config: MachineConfig
    carrier: Carrier
    touch: int
    target: int
    image: Path


class Moment(NamedTuple):
    """A point of the timeline.

    Attributes:
        machine: 1 before the power-off, 2 after.
        ns: that machine's virtual time.
        side: `host` or `guest`.
        text: what happened.
    """

    machine: int
    ns: int
    side: str
    text: str


class Ending(NamedTuple):
    """How a stage's machine ended.

    Attributes:
        machine: 1 or 2.
        ns: virtual time at the end.
        ram_sha256: hash of all guest RAM at that moment.
        workload: the touched memory, before (stage 1) and after (stage 2).
        pid: the process that held the machine.
    """

    machine: int
    ns: int
    ram_sha256: str
    workload: Workload
    pid: int


class Failure(NamedTuple):
    """A stage could not go on.

    Attributes:
        text: why, with the guest's report when it died.
    """

    text: str


Message = Moment | Entry | Ending | Failure
