"""Scenarios: what befalls a guest and its balloon around hibernation, written down so that it runs.

A `World` is what survives a power-off: the disk, the host image, the host's wishes. A `Run` is one machine in
it, from power-on to power-off, with a `Guest` that knows how to talk to the kernel inside. A scenario is a
function of a world; `@scenario` gives it a name and says for which eras of the driver it holds.

    @scenario(promise="P6", carriers=(Carrier.SWAP,))
    def freeze_fails(world: World) -> None:
        "Without swap the hibernation fails, and the balloon stays as it was."
        world.disk = None
        run = world.start(touch=1000, target=2000)
        run.hibernate_fails(-errno.ENODEV)
        run.until_target()
        run.balance("thawed")

Time is virtual: a run waits for conditions, never for the host's clock, and what the host does at a given
time happens between two given instructions. A run of a scenario is thus a function of its `Case`.
"""

from hv.hibernate import Carrier
from hv.scenario.drive import MS, SECOND, ScenarioError
from hv.scenario.eras import ERAS, HEARING, Era
from hv.scenario.guest import Guest, ToyGuest
from hv.scenario.guests import GUESTS
from hv.scenario.journal import Event, Finding, Journal
from hv.scenario.linux import LinuxGuest
from hv.scenario.place import CannotError
from hv.scenario.places import PLACES
from hv.scenario.registry import Case, Scenario, scenario
from hv.scenario.run import Run
from hv.scenario.world import RAM, World

__all__ = [
    "ERAS",
    "GUESTS",
    "HEARING",
    "MS",
    "PLACES",
    "RAM",
    "SECOND",
    "CannotError",
    "Carrier",
    "Case",
    "Era",
    "Event",
    "Finding",
    "Guest",
    "Journal",
    "LinuxGuest",
    "Run",
    "Scenario",
    "ScenarioError",
    "ToyGuest",
    "World",
    "scenario",
]
