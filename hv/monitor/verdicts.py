"""What became of each clause: kept so many times, broken here and there, or never exercised."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Breach:
    """A clause that a driver broke, in one place of its code; it may do so many times.

    Attributes:
        clause: id in the register of clauses.
        slot: whose driver.
        ns: virtual time of the first.
        functions: the guest's functions at the first, innermost first, as lines of a call trace.
        detail: what the driver did.
        count: how many times.
    """

    clause: str
    slot: str
    ns: int
    functions: tuple[str, ...]
    detail: str
    count: int = 1

    def headline(self) -> str:
        """Say it in one line."""
        where = f" in {self.functions[0]}" if self.functions else ""
        times = f"{self.count} times, first " if self.count > 1 else ""
        return f"{self.clause} {self.slot}: {self.detail}{where} ({times}at {self.ns / 1e6:.6f} ms)"

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "clause": self.clause,
            "slot": self.slot,
            "ns": self.ns,
            "functions": list(self.functions),
            "detail": self.detail,
            "count": self.count,
        }


@dataclass
class Verdicts:
    """What was seen of drivers, of one machine or of many.

    Attributes:
        kept: how many times each clause was kept.
        breaches: in order of their first time.
    """

    kept: Counter[str] = field(default_factory=Counter)
    breaches: list[Breach] = field(default_factory=list)

    @property
    def broken(self) -> frozenset[str]:
        """The clauses that were broken."""
        return frozenset(breach.clause for breach in self.breaches)

    @property
    def exercised(self) -> frozenset[str]:
        """The clauses that were kept or broken."""
        return frozenset(self.kept) | self.broken

    def add(self, other: "Verdicts") -> None:
        """Take in what was seen elsewhere."""
        self.kept.update(other.kept)
        self.breaches.extend(other.breaches)


class Book:
    """Enters verdicts of one machine.

    Args:
        now: virtual time, ns.
        where: the guest's functions at this moment, innermost first.

    Attributes:
        verdicts: what is in it.
    """

    def __init__(self, now: Callable[[], int], where: Callable[[], tuple[str, ...]]) -> None:
        self.verdicts = Verdicts()
        self.now = now
        self.where = where
        self._known: dict[tuple[str, str, tuple[str, ...]], Breach] = {}

    def judge(self, clause: str, slot: str, kept: bool, detail: str) -> None:
        """Enter that a clause was kept, or else broken by what `detail` says."""
        if kept:
            self.verdicts.kept[clause] += 1
            return
        functions = self.where()
        key = clause, slot, functions
        if key in self._known:
            self._known[key].count += 1
            return
        self._known[key] = breach = Breach(clause, slot, self.now(), functions, detail)
        self.verdicts.breaches.append(breach)
