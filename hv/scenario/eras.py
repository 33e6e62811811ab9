"""The eras of the balloon driver, and what is expected of each: data, so that no scenario asks for names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Era:
    """One policy of the guest's balloon driver (`balloon.policy=NAME`).

    Attributes:
        name: as on the kernel's command line.
        commit: the Linux commit that it follows.
        deflates_at_freeze: it asks for all its pages before it sleeps.
        leaks: after a restore the pages it had are in use and nobody's.
    """

    name: str
    commit: str
    deflates_at_freeze: bool
    leaks: bool


ERAS = {
    era.name: era
    for era in (
        Era("e0", "e562966dba", deflates_at_freeze=False, leaks=True),
        Era("e4", "4eb05d562e", deflates_at_freeze=True, leaks=False),
    )
}
"""Every era that the guest carries, by name."""
