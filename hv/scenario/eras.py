"""The eras of the balloon driver, and what is expected of each: data, so that no scenario asks for names."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Era:
    """One policy of the guest's balloon driver (`balloon.policy=NAME`).

    Attributes:
        name: as on the kernel's command line.
        commit: the Linux commit that it follows.
        deflates_at_freeze: it asks for all its pages before it sleeps.
        fills_in_thaw: pages that thaw itself takes, and the next freeze asks back, with all tasks frozen.
        leaks: after a restore the pages it had are in use and nobody's.
        deaf: after a restore its queues are unknown to the device: no target is ever reached.
        boot_balloon_survives: when a kernel with a balloon of its own loads the image, the host keeps pages
            that the resumed kernel uses.
        breaks: clauses of the specification that it is known to break, and why no other way was open to it.
    """

    name: str
    commit: str
    deflates_at_freeze: bool = False
    fills_in_thaw: int = 0
    leaks: bool = False
    deaf: bool = False
    boot_balloon_survives: bool = False
    breaks: Mapping[str, str] = field(default_factory=dict)


ERAS = {
    era.name: era
    for era in (
        Era("none", "before e562966dba", deaf=True, boot_balloon_survives=True),
        Era(
            "e0",
            "e562966dba",
            leaks=True,
            boot_balloon_survives=True,
            breaks=dict.fromkeys(
                ("C233", "C235"),
                "its boot kernel leaves a balloon behind, whose pages the resumed kernel uses",
            ),
        ),
        Era(
            "e1",
            "4eb05d562e",
            deflates_at_freeze=True,
            fills_in_thaw=256,
            breaks={"C066": "its thaw and restore fill the balloon, and DRIVER_OK comes behind them"},
        ),
        Era("e3", "fad7b7b27b", deflates_at_freeze=True),
        Era("e4", "4eb05d562e", deflates_at_freeze=True),
        Era("discard", "what e562966dba meant"),
    )
}
"""Every era that the guest carries, by name, oldest first."""

HEARING = tuple(era.name for era in ERAS.values() if not era.deaf)
"""The eras whose balloon works after a restore."""
