"""The table of metrics: what is read from an era's evidence, in which unit, and how it is taken."""

from collections.abc import Callable
from typing import NamedTuple

from hv import board
from hv.compare.evidence import PAGE_MOVES, Evidence

NEVER = "never"
NOT_APPLICABLE = "n/a"

Value = int | None
"""In the metric's own unit: pages, bytes, virtual ns, or a count; None when it did not come, or cannot be."""


class Metric(NamedTuple):
    """One row of the comparison; less is better in all of them.

    Attributes:
        key: its name in JSON.
        title: its name for people.
        unit: of the value: `pages`, `requests`, `bytes`, `ns` (virtual), `findings`.
        how: its definition.
        take: reads it.
        none: what None means.
    """

    key: str
    title: str
    unit: str
    how: str
    take: Callable[[Evidence, int], Value]
    none: str = NEVER

    def text(self, value: Value) -> str:
        """Return a value for people; times in ms, bytes in MiB."""
        if value is None:
            return self.none
        match self.unit:
            case "ns":
                return f"{value / 1e6:.3f} ms"
            case "bytes":
                return f"{value / board.MIB:.2f} MiB"
        return f"{value}"


METRICS = (
    Metric(
        "asked_back_pages",
        "Pages asked back at freeze",
        "pages",
        "pages that came out of the balloon between the command to hibernate and the power-off; host's count",
        lambda e, _: e.asleep.moved("deflate"),
    ),
    Metric(
        "asked_back_requests",
        "  in requests",
        "requests",
        "buffers on the deflate queue for them",
        lambda e, _: e.asleep.requests("deflate"),
    ),
    Metric(
        "moved_pages",
        "Pages moved in all",
        "pages",
        "pages inflated and pages deflated, from the command to hibernate until the next machine's balloon"
        " is at its target",
        lambda e, _: e.asleep.moved(*PAGE_MOVES) + e.awake.moved(*PAGE_MOVES),
    ),
    Metric(
        "image_pages",
        "Image",
        "pages",
        "pages of RAM that the image holds, pages of zeros included where it lists them",
        lambda e, _: e.image_pages,
    ),
    Metric(
        "image_bytes",
        "  written",
        "bytes",
        "bytes written to the disk from the command to the power-off, or size of the host image's file",
        lambda e, _: e.image_bytes,
    ),
    Metric(
        "peak_asleep_bytes",
        "Host memory peak, to sleep",
        "bytes",
        "most host memory that guest RAM took, from the command to the power-off; exact: looked at before and"
        " after all that a device handled, and RAM shrinks nowhere else",
        lambda e, _: e.asleep.peak * board.PAGE_SIZE,
    ),
    Metric(
        "peak_awake_bytes",
        "Host memory peak, to resume",
        "bytes",
        "the same, from power-on until the balloon is at its target",
        lambda e, _: e.awake.peak * board.PAGE_SIZE,
    ),
    Metric(
        "sleep_ns",
        "Time to sleep",
        "ns",
        "virtual time from the command to the power-off; disk and balloon take none of their own",
        lambda e, _: e.asleep.end_ns - e.asleep.start_ns,
    ),
    Metric(
        "prompt_ns",
        "Time to resume, to the prompt",
        "ns",
        "virtual time from power-on to the prompt of the resumed guest",
        lambda e, _: e.prompt_ns,
    ),
    Metric(
        "target_ns",
        "  to the target again",
        "ns",
        "virtual time from power-on until the driver reports the host's target",
        lambda e, _: e.awake.end_ns if e.on_target else None,
    ),
    Metric(
        "off_target_ns",
        "Off target when it fails",
        "ns",
        "a hibernation that fails for want of swap: virtual time in which the host has more or fewer pages"
        " than its target",
        lambda e, target: e.refused.off_target_ns(target),
    ),
    Metric(
        "refused_moved_pages",
        "  pages moved for nothing",
        "pages",
        "pages inflated and deflated in that failed hibernation",
        lambda e, _: e.refused.moved(*PAGE_MOVES),
    ),
    Metric(
        "leaked_pages",
        "Pages leaked",
        "pages",
        "pages in use after the resume that no pointer in the guest's memory leads to (the ledger's search)",
        lambda e, _: e.leaked,
    ),
    Metric(
        "kept_by_host_pages",
        "At risk: host that remembers",
        "pages",
        "pages in the balloon at power-off that the resumed guest takes for its own: a host that kept its"
        " books could take them away",
        lambda e, _: e.kept_by_host,
    ),
    Metric(
        "boot_balloon_pages",
        "At risk: boot kernel's balloon",
        "pages",
        "resumed by a kernel that had inflated a balloon of its own: ballooned pages that the guest takes"
        " for its own",
        lambda e, _: e.boot_balloon,
        none=NOT_APPLICABLE,
    ),
    Metric(
        "findings",
        "Findings",
        "findings",
        "differences between both sides' books after resume and failed hibernation; damaged memory too",
        lambda e, _: len(e.troubles),
    ),
)
"""Every row, in the order of the table."""


def figures(evidence: Evidence, target: int) -> dict[str, Value]:
    """Return an era's value of every metric by key; `target` is the host's, in pages."""
    return {metric.key: metric.take(evidence, target) for metric in METRICS}
