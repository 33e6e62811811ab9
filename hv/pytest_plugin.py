"""A pytest plugin: machines and worlds for tests, closed at their end; a test with findings fails.

Every pytest run of a user who has thawvisor installed loads this module, so it imports nothing of the machine
until a fixture is used.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hv.config import MachineConfig
    from hv.hibernate import Carrier
    from hv.machine import Machine
    from hv.scenario.world import World

_WORLDS = pytest.StashKey[list["World"]]()
_LAST_STEPS = 30


@pytest.fixture
def machine() -> "Iterator[Callable[..., Machine]]":
    """A maker of machines: `machine(config)`, or `machine(ram=64 << 20, balloon=1000)`.

    It takes a `hv.machine.MachineConfig`, or that class's own arguments, and raises what `Machine` raises.
    """
    from hv.config import MachineConfig
    from hv.machine import Machine

    with ExitStack() as closing:

        def make(config: "MachineConfig | None" = None, **parts: Any) -> "Machine":
            return closing.enter_context(Machine(config or MachineConfig(**parts)))

        yield make


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> "Iterator[Callable[..., World]]":
    """A maker of worlds: `scenario()`, or `scenario(era="e0", carrier="host", sanitize=True)`.

    It takes the arguments of `hv.scenario.World`; the carrier may be given by its name.

    What a world finds fails the test when its function has returned, with the world's last steps.
    """
    from hv.hibernate import Carrier
    from hv.scenario.world import World

    worlds: list[World] = []
    request.node.stash[_WORLDS] = worlds
    with ExitStack() as closing:

        def make(era: str = "e4", carrier: "Carrier | str" = Carrier.SWAP, **others: Any) -> "World":
            world = closing.enter_context(World(era, Carrier(carrier), **others))
            worlds.append(world)
            return world

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Fail a test whose worlds have findings."""
    result = yield
    for world in pyfuncitem.stash.get(_WORLDS, []):
        findings = [f"machine {run} at {ns / 1e6:.6f} ms: {text}" for run, ns, text in world.journal.findings]
        if findings:
            steps = [
                f"  {run} {ns / 1e6:12.6f} {side:8} {text}" for run, ns, side, text in world.journal.events
            ]
            pytest.fail("\n".join([*findings, "The last steps:", *steps[-_LAST_STEPS:]]), pytrace=False)
    return result
