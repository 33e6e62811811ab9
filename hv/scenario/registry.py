"""What scenarios there are: the decorator, the library, and files of a user's own."""

import importlib
import importlib.util
import pkgutil
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from hv.errors import ConfigError
from hv.hibernate import Carrier
from hv.scenario.eras import HEARING
from hv.scenario.guests import GUESTS
from hv.scenario.places import PLACES
from hv.scenario.world import World

LIBRARY = "hv.scenario.library"


@dataclass(frozen=True)
class Scenario:
    """A function of a world, and when it holds.

    Attributes:
        name: the function's, with hyphens.
        play: the function.
        source: module of the library, or path of a user's file.
        promise: which of P1 to P9 it shows; empty for none.
        eras: the driver's policies it holds for.
        carriers: the carriers it holds for.
        guests: the kernels it makes sense on, of `GUESTS`.
        campaign: it takes long, and is run only when asked for.
        options: what can be set from outside (`World.settings`), and what each means.
    """

    name: str
    play: Callable[[World], None]
    source: str
    promise: str
    eras: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    guests: tuple[str, ...]
    campaign: bool
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.play.__doc__ or "").strip().partition("\n")[0]

    def cases(
        self,
        seed: int = 0,
        settings: Mapping[str, str] | None = None,
        guest: str = "toy",
        place: str = "here",
    ) -> "Iterator[Case]":
        """Yield each era with each carrier that guest and place have; none if the scenario is not for them.

        Raises:
            ConfigError: it has no such option.
        """
        chosen = tuple(sorted((settings or {}).items()))
        for name, _ in chosen:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise ConfigError(f"--set {name}: scenario {self.name} has no such option; it has {known}")
        if guest in self.guests:
            for era in (era for era in self.eras if era in GUESTS[guest].eras):
                for carrier in self.carriers:
                    if carrier in GUESTS[guest].carriers and carrier in PLACES[place].carriers:
                        yield Case(self.source, self.name, era, carrier, seed, chosen, guest, place)


class Case(NamedTuple):
    """All that a run of a scenario depends on.

    Attributes:
        source: module of the library, or path of a user's file.
        name: the scenario's.
        era: the driver's policy.
        carrier: who carries the image.
        seed: of the world's chance.
        settings: the scenario's options, by name.
        guest: the kernel, of `GUESTS`.
        place: where it runs, of `PLACES`.
        sanitize: with the balloon sanitizer, whose findings count.
        monitor: with the monitor of the guest's drivers, and the clauses that they break count.
    """

    source: str
    name: str
    era: str
    carrier: Carrier
    seed: int
    settings: tuple[tuple[str, str], ...] = ()
    guest: str = "toy"
    place: str = "here"
    sanitize: bool = False
    monitor: bool = False

    @property
    def id(self) -> str:
        """What tells it from other cases, for people: `name[guest-era-carrier]`."""
        guest = self.guest if self.place == "here" else f"{self.guest}-{self.place}"
        return f"{self.name}[{guest}-{self.era}-{self.carrier.value}]"

    @property
    def command(self) -> str:
        """The command that runs exactly this."""
        what = self.name if self.source.startswith(LIBRARY) else f"{self.source}:{self.name}"
        words = ["thawvisor", "scenario", "run", what]
        words += ["--guest", self.guest] if self.guest != "toy" else []
        words += ["--on", self.place] if self.place != "here" else []
        words += ["--era", self.era, "--carrier", self.carrier.value]
        words += ["--seed", str(self.seed)] if self.seed else []
        words += [word for name, value in self.settings for word in ("--set", f"{name}={value}")]
        words += ["--sanitize"] if self.sanitize else []
        words += ["--monitor"] if self.monitor else []
        return shlex.join(words)


def scenario(
    *,
    promise: str = "",
    eras: Iterable[str] = HEARING,
    carriers: Iterable[Carrier] = tuple(Carrier),
    guests: Iterable[str] = ("toy",),
    campaign: bool = False,
    options: Mapping[str, str] | None = None,
) -> Callable[[Callable[[World], None]], Scenario]:
    """Make a function of a `World` a scenario; its docstring's first line is its summary.

    Args:
        promise: which of P1 to P9 it shows.
        eras: the driver's policies it holds for.
        carriers: the carriers it holds for.
        guests: the kernels it makes sense on.
        campaign: it takes long, and is run only when asked for by name, or with `--campaign`.
        options: what can be set from outside (`--set`, `World.settings`), and what each means.
    """

    def register(play: Callable[[World], None]) -> Scenario:
        module = play.__module__
        source = module if module.startswith(LIBRARY) else play.__code__.co_filename
        name = play.__name__.replace("_", "-")
        return Scenario(
            name, play, source, promise, tuple(eras), tuple(carriers), tuple(guests), campaign, options or {}
        )

    return register


def find(source: str, name: str) -> Scenario:
    """Return a case's scenario; raises ConfigError when it is not there (any more)."""
    found = library() if source.startswith(LIBRARY) else load(Path(source))
    if name not in found:
        raise ConfigError(f"no scenario {name} in {source}: `thawvisor scenario list` shows what there is")
    return found[name]


def library() -> dict[str, Scenario]:
    """Import the library and return its scenarios by name, in the order of their files."""
    package = importlib.import_module(LIBRARY)
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found = [
        scenario for name in modules for scenario in _scenarios(importlib.import_module(f"{LIBRARY}.{name}"))
    ]
    return {scenario.name: scenario for scenario in found}


def load(path: Path) -> dict[str, Scenario]:
    """Import a user's file and return its scenarios by name.

    Raises:
        ConfigError: it cannot be imported, or has none.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"scenario file {path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"scenario file {path}: {type(error).__name__}: {error}") from None
    found = {scenario.name: scenario for scenario in _scenarios(module)}
    if not found:
        raise ConfigError(f"scenario file {path}: no function in it has the decorator @scenario")
    return found


def _scenarios(module: ModuleType) -> list[Scenario]:
    return [value for value in vars(module).values() if isinstance(value, Scenario)]
