"""The driver conformance monitor: which clauses of virtio 1.4 does a guest's driver keep?

The specification obliges drivers as it does devices. A `Monitor` watches a guest from outside while it runs:
every access to a register, the rings at every look, the pages that a balloon has taken. Each clause that can
be seen there (`WATCHED`) ends as kept, broken or not exercised; a breach has its virtual time and the guest's
functions. Nothing in it knows which kernel runs.
"""

from hv.monitor.clauses import NOT_WATCHED, WATCHED
from hv.monitor.monitor import Monitor, guest_book
from hv.monitor.report import as_json, report, totals
from hv.monitor.verdicts import Book, Breach, Verdicts

__all__ = [
    "NOT_WATCHED",
    "WATCHED",
    "Book",
    "Breach",
    "Monitor",
    "Verdicts",
    "as_json",
    "guest_book",
    "report",
    "totals",
]
