"""The narrator: starts each stage's process, tells its moments as they come, and judges the books."""

import multiprocessing
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hv import board, books
from hv.demo import stages
from hv.demo.plan import Ending, Failure, Message, Moment, Plan

Narrate = Callable[[Moment], None]


class Ledger:
    """Everything the stages told.

    Attributes:
        entries: both sides' books, in order.
        endings: how each machine ended.
        failure: why the story broke off; empty when it did not.
    """

    def __init__(self) -> None:
        self.entries: list[books.Entry] = []
        self.endings: list[Ending] = []
        self.failure = ""

    def take(self, message: Message) -> None:
        """File one message."""
        match message:
            case books.Entry():
                self.entries.append(message)
            case Ending():
                self.endings.append(message)
            case Failure():
                self.failure = message.text

    def findings(self) -> Iterator[books.Finding]:
        """Judge the story.

        Yields:
            What is wrong; nothing when the memory is intact and the books balance.
        """
        if self.failure:
            yield books.Finding("story", self.failure)
            return
        slept, woke = (ending.workload for ending in self.endings)
        if woke.bad:
            yield books.Finding("resumed", f"{woke.bad} of {woke.pages} touched pages are wrong")
        if (slept.pages, slept.fingerprint) != (woke.pages, woke.fingerprint):
            yield books.Finding("resumed", f"touched memory was {slept}, is {woke}")
        yield from books.balance(self.entries)


def tell(plan: Plan, narrate: Narrate) -> Ledger:
    """Run both stages, each in a process that ends with its machine.

    Args:
        plan: the story.
        narrate: called with each moment of the timeline as it comes.
    """
    ledger = Ledger()
    for stage in (stages.before, stages.after):
        for message in _run(stage, plan):
            ledger.take(message)
            if isinstance(message, Moment):
                narrate(message)
        if ledger.failure:
            break
        machine, ns, *_, pid = ledger.endings[-1]
        narrate(Moment(machine, ns, "host", f"process {pid} has ended, and the machine with it"))
    return ledger


def _run(stage: Callable[[Plan, Callable[[Message], None]], None], plan: Plan) -> Iterator[Message]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=stages.run, args=(stage, plan, theirs))
    process.start()
    theirs.close()
    try:
        while True:
            yield ours.recv()
    except EOFError:
        process.join()
    finally:
        process.terminate()  # it has ended, unless we are leaving the story
        process.join()
    if process.exitcode:
        yield Failure(f"the process of stage `{stage.__name__}` ended with status {process.exitcode}")


def show_books(ledger: Ledger, out: Console) -> None:
    """Print both sides' books side by side, one pair of columns an entry."""
    table = Table(title="Books (pages of 4 KiB)", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for entry in ledger.entries:
        table.add_column(f"{entry.label}\nguest", justify="right")
        table.add_column("\nhost", justify="right")
    rows: tuple[tuple[str, Callable[[books.Entry], tuple[object, object]]], ...] = (
        ("target", lambda e: (e.guest.target, e.host.target)),
        ("reported (actual)", lambda e: (e.guest.actual, e.host.actual)),
        ("in the balloon", lambda e: (e.guest.num_pages, e.host.ballooned)),
        ("  of it offline", lambda e: (e.guest.offline, "")),
        ("  of it backed", lambda e: ("", e.host.backed)),
        ("managed (total)", lambda e: (e.guest.totalram, "")),
        ("  free", lambda e: (e.guest.free, "")),
        ("  touched", lambda e: (e.guest.touched, "")),
        ("  kernel's own", lambda e: (e.guest.kernel, "")),
        ("host memory used", lambda e: ("", e.host.resident)),
    )
    for name, figures in rows:
        table.add_row(name, *(str(figure) for entry in ledger.entries for figure in figures(entry)))
    out.print(table)


def show_verdict(ledger: Ledger, out: Console) -> bool:
    """Print how each machine ended and every finding; return whether the books balance."""
    for ending in ledger.endings:
        out.print(
            f"machine {ending.machine} ended at {ending.ns / 1e6:.6f} ms of virtual time, "
            f"RAM sha256 {ending.ram_sha256[:16]}",
            highlight=False,
        )
    findings = list(ledger.findings())
    for finding in findings:
        # A text of the guest's making is no markup.
        out.print(Text.assemble(("finding", "red"), f" ({finding.label}): {finding.text}"))
    if not findings:
        workload = ledger.endings[-1].workload
        size = workload.pages * board.PAGE_SIZE // board.MIB
        out.print(
            f"[green]The books balance:[/] {workload.pages} touched pages ({size} MiB) came back intact, "
            "guest and host agree on every ballooned page, nothing leaked.",
            highlight=False,
        )
    return not findings
