"""What the figures say: sentences that hold for these figures and no others."""

from collections.abc import Iterator, Mapping
from math import inf

from hv.compare.metrics import METRICS, Value

Figures = Mapping[str, Mapping[str, Value]]
"""Era -> metric -> value."""

_METRICS = {metric.key: metric for metric in METRICS}

_COMPARED = {
    "moved_pages": "pages moved in all",
    "asked_back_pages": "pages asked back at freeze",
    "sleep_ns": "time to sleep",
    "prompt_ns": "time to the prompt",
    "target_ns": "time to the target",
    "off_target_ns": "time off target when hibernation fails",
    "image_pages": "image size",
    "peak_asleep_bytes": "host memory to sleep",
    "peak_awake_bytes": "host memory to resume",
}
"""What two correct eras are compared by, and what to call it in a sentence."""

_RISKS = {
    "kept_by_host_pages": "where the host keeps its books over the power-off",
    "boot_balloon_pages": "where the kernel that loads the image had a balloon of its own",
}


def headline(figures: Figures) -> str:
    """Say how `discard` does against `e4`, and where it is unsafe and `e4` is not."""
    mine, theirs = figures["discard"], figures["e4"]
    better: list[str] = []
    worse: list[str] = []
    same: list[str] = []
    for key, name in _COMPARED.items():
        if mine[key] == theirs[key]:
            same.append(name)
        else:
            said = f"{name} ({_text(key, mine[key])}, not {_text(key, theirs[key])})"
            (better if _order(mine[key]) < _order(theirs[key]) else worse).append(said)
    risks = [where for key, where in _RISKS.items() if mine[key] and not theirs[key]]
    parts = [
        f"discard beats e4 in {_list(better)}" if better else "discard beats e4 in nothing",
        *([f"loses in {_list(worse)}"] if worse else []),
        *([f"equals it in {_list(same)}"] if same else []),
        *(f"is unsafe {where}" for where in risks),
    ]
    return "; ".join(parts) + "."


def sentences(figures: Figures) -> Iterator[str]:
    """Yield what else there is to say: where eras are unsafe, and what is wrong."""
    for key, where in _RISKS.items():
        unsafe = [f"{era} ({row[key]} pages)" for era, row in figures.items() if row[key]]
        if unsafe:
            yield f"Unsafe {where}: {_list(unsafe)}."
    for era, row in figures.items():
        if row["findings"]:
            leak = f", {row['leaked_pages']} pages leaked" if row["leaked_pages"] else ""
            late = "" if row["target_ns"] is not None else ", the target is never reached again"
            yield f"Wrong in itself: {era} ({row['findings']} findings{leak}{late})."


def _order(value: Value) -> float:
    """What never came is more than any number."""
    return inf if value is None else value


def _text(key: str, value: Value) -> str:
    return _METRICS[key].text(value)


def _list(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
