"""The world of a scenario: what outlives a machine, and the machines one after another."""

import random
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from devices.virtio.backends import PowerCutBackend
from devices.virtio.balloon import DEFAULT_FEATURES
from hv import board, books
from hv.config import Disk, MachineConfig
from hv.errors import ConfigError
from hv.hibernate import Carrier, write_host_image
from hv.monitor import Verdicts
from hv.sanitizer import Mode
from hv.scenario.drive import Drive, ScenarioError
from hv.scenario.eras import ERAS, Era
from hv.scenario.guest import Guest, ToyGuest
from hv.scenario.journal import Event, Figure, Finding, Journal
from hv.scenario.place import GuestMachine, Here, Medium, Place
from hv.scenario.run import Run
from hv.shell import Workload
from hv.snapshot.format import Header
from hv.snapshot.reader import open_snapshot
from hv.snapshot.restore import restore
from hv.snapshot.writer import write_snapshot

RAM = ToyGuest.ram


class World:
    """What survives a power-off, and the processes so far. A context manager: it holds machines and an image.

    The attributes may be changed between two machines: a host with another target, another RAM size, a
    damaged disk.

    Attributes:
        era: the policy of the guest's balloon driver.
        carrier: who carries the S4 image.
        seed: of `random`, the only source of chance.
        random: for scenarios that draw lots.
        guest: the adapter of the kernel in its machines.
        place: where they are; here.
        settings: what was set from outside of the scenario's options.
        jobs: processes that a scenario with much to do may use.
        sanitize: what the balloon sanitizer finds is a finding.
        monitor: a clause of the specification that the guest's drivers break is a finding, unless the guest
            or the era is known to break it.
        ram: bytes of RAM.
        target: the host's balloon target in pages, kept across power-offs.
        features: what the balloon device offers (`devices.virtio.balloon.FEATURE_BITS`).
        legacy: whether the devices have the legacy interface.
        disk: contents of the disk, or None for a machine without one.
        append: more of the kernel command line.
        host_image: what the platform kept of RAM, or None.
        workload: what the guest's touched pages must look like.
        first_entry: the books that later ones are compared with.
        cached_writes_kept: at a power cut, which of `disk.unflushed` had reached the medium; none of them.
        journal: steps, figures and findings.
        run: the machine that was made last, or None. No other is kept: RAM and a disk are too much for that.
    """

    def __init__(
        self,
        era: str = "e4",
        carrier: Carrier = Carrier.SWAP,
        seed: int = 0,
        guest: type[Guest] = ToyGuest,
        settings: Mapping[str, str] | None = None,
        jobs: int = 1,
        sanitize: bool = False,
        monitor: bool = False,
        place: Place | None = None,
    ) -> None:
        self.era: Era = ERAS[era]
        self.carrier = carrier
        self.seed = seed
        self.random = random.Random(seed)
        self.guest = guest
        self.place = place or Here()
        self.settings = dict(settings or {})
        self.jobs = jobs
        self.sanitize = sanitize
        self.monitor = monitor
        self.ram = guest.ram
        self.target = 0
        self.features = DEFAULT_FEATURES
        self.legacy = False
        # Any image fits: its pages are first copied within RAM, so they are at most half of it.
        self.disk: bytes | None = bytes(self.ram // 2 + board.MIB) if carrier is Carrier.SWAP else None
        self.append = ""
        self.host_image: Path | None = None
        self.workload = Workload(0, "", 0)
        self.first_entry: books.Entry | None = None
        self.cached_writes_kept: Callable[[PowerCutBackend], Iterable[int]] = lambda _disk: ()
        self.journal = Journal()
        self.run: Run | None = None
        self._earlier = Verdicts()
        self._closing = ExitStack()
        self._machine = ExitStack()
        self._folder = Path(
            self._closing.enter_context(tempfile.TemporaryDirectory(prefix="thawvisor-world-"))
        )
        self._closing.callback(lambda: self._machine.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closing.close()

    # The machines.

    def power_on(self, cut_at: int | None = None, fail_at: Iterable[int] = ()) -> Run:
        """Make the next machine, with fresh devices; nothing of it has run yet.

        It resumes from the host image when there is one.

        Args:
            cut_at: the power goes at this write or flush of the disk, counted together from 1.
            fail_at: these writes and flushes fail.

        Raises:
            ScenarioError: the machine before is still on.
            ImageError: the host image is not for this machine.
        """
        self._make_room()
        disks: tuple[Disk, ...] = ()
        medium = None
        if self.disk is not None:
            disk, medium = self.place.disk(self.disk, self._folder, cut_at, fail_at)
            disks = (disk,)
        run = self._enter(self.place.machine(self._config(disks), self.host_image), medium)
        run.log("host", f"power on, {self.ram // board.MIB} MiB, balloon target {self.target} pages")
        return run

    def keep_snapshot(self, run: Drive) -> Header:
        """Keep a whole machine without a disk, as it stands, for `go_on`; it stays on.

        Raises:
            ConfigError: it has a disk.
        """
        header = write_snapshot(self._folder / "snapshot", run.ours("a snapshot"))
        run.log("host", f"a snapshot of {header.pages_saved} pages, {header.pages_hinted} left out as hinted")
        return header

    def go_on(self) -> Run:
        """Make the next machine, which goes on from the snapshot that was kept last.

        Raises:
            ScenarioError: the machine before is still on.
        """
        self._make_room()
        with open_snapshot(self._folder / "snapshot") as snapshot:
            run = self._enter(restore(snapshot, self._config(())), None)
        run.log("host", "goes on from the snapshot")
        return run

    def _make_room(self) -> None:
        """Forget the machine before, which must be off."""
        if self.run is not None:
            if self.run.on:
                raise ScenarioError(f"machine {self.run.number} is still on: switch it off or cut its power")
            self._earlier.add(self.run.verdicts)
        self._machine.close()

    def _config(self, disks: tuple[Disk, ...]) -> MachineConfig:
        config = MachineConfig(
            ram=self.ram,
            append=self.append,
            disks=disks,
            balloon=self.target,
            balloon_features=self.features,
            legacy_virtio=self.legacy,
            sanitize=Mode.LOG if self.sanitize else None,
            monitor=self.monitor,
        )
        return self.guest.prepare(config, self.era.name)

    def _enter(self, machine: GuestMachine, medium: Medium | None) -> Run:
        if medium is not None:
            self._machine.callback(medium.close)
        self._machine.enter_context(machine)
        self.run = Run(self, 1 if self.run is None else self.run.number + 1, machine, medium)
        return self.run

    def boot(self, cut_at: int | None = None, fail_at: Iterable[int] = ()) -> Run:
        """Make the next machine and run it to the prompt of a fresh boot; a host image is dropped.

        Raises:
            ScenarioError: it does not come up, or it resumed.
        """
        self.host_image = None
        run = self.power_on(cut_at, fail_at)
        run.until_fresh()
        return run

    def next(self, cut_at: int | None = None, fail_at: Iterable[int] = ()) -> Run:
        """Make the next machine and run it to the prompt of the resumed guest.

        Raises:
            ScenarioError: it does not come up, or it booted afresh.
        """
        run = self.power_on(cut_at, fail_at)
        run.until_resumed()
        return run

    def start(self, touch: int, target: int, fail_at: Iterable[int] = ()) -> Run:
        """Do what most scenarios begin with: boot, swap, touched pages, an inflated balloon, balanced books.

        Args:
            touch: pages that the guest fills.
            target: the host's target in pages.
            fail_at: see `power_on`.
        """
        run = self.boot(fail_at=fail_at)
        if self.disk is not None:
            run.enable_swap()
        run.touch(touch)
        run.set_target(target)
        run.until_target()
        run.balance("inflated")
        return run

    # Judging.

    @property
    def verdicts(self) -> Verdicts:
        """What became of the clauses for drivers, over all machines so far."""
        together = Verdicts()
        together.add(self._earlier)
        if self.run is not None:
            together.add(self.run.verdicts)
        return together

    @property
    def known_breaches(self) -> Mapping[str, str]:
        """Clauses that the guest's drivers are known to break, and how."""
        return {**self.guest.breaks, **self.era.breaks}

    def number(self, option: str, most: int, least: int = 1) -> int | None:
        """Return an option of the scenario that is a number, None when it was not set.

        Raises:
            ConfigError: it is no whole number from `least` to `most`.
        """
        text = self.settings.get(option)
        if text is None:
            return None
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ConfigError(f"--set {option}={text}: give a whole number from {least} to {most}")
        return int(text)

    def choice(self, option: str, choices: Sequence[str]) -> Sequence[str]:
        """Return an option of the scenario that is one of several words, all of them when it was not set.

        Raises:
            ConfigError: it is another word.
        """
        text = self.settings.get(option)
        if text is None:
            return choices
        if text not in choices:
            raise ConfigError(f"--set {option}={text}: give one of {', '.join(choices)}")
        return [text]

    def check(self, holds: bool, otherwise: str) -> None:
        """Find `otherwise` unless something holds."""
        if not holds:
            self.find(otherwise)

    def figure(self, name: str, value: Figure, expected: Figure | None = None) -> None:
        """Record a figure; a finding when one is expected and this is another."""
        self.log(f"{name} = {value}")
        self.journal.figures[name] = value
        self.check(expected is None or value == expected, f"{name} is {value}, not {expected}")

    def find(self, text: str) -> None:
        """Enter a finding, at the virtual time of the latest machine."""
        self.log(f"finding: {text}")
        number, ns = self._moment()
        self.journal.findings.append(Finding(number, ns, text))

    def log(self, text: str) -> None:
        """Enter a step of the scenario's own."""
        if self.run is None:
            self.journal.events.append(Event(0, 0, "scenario", text))
        else:
            self.run.log("scenario", text)

    def _moment(self) -> tuple[int, int]:
        return (0, 0) if self.run is None else (self.run.number, self.run.ns)

    def keep_host_image(self, run: Drive | None) -> None:
        """Keep the RAM of a machine that hibernated to the platform, or none; the image before is used up."""
        self.host_image = None
        if run is not None:
            path = self._folder / "host.s4"
            header = write_host_image(run.machine, path)
            self.host_image = path
            run.log("host", f"the platform kept {header.pages_saved} pages of RAM")
