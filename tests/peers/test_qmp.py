"""Our QMP server beside QEMU's: the same client, the same mistakes, the same answers."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hv import board, images
from hv.qemu.qmp import Qmp, QmpError
from hv.qmp.qom import BALLOON_PATH
from tests.harness.qemu import Qemu
from tests.harness.running import running

RAM = 128 * board.MIB
STATS = {"path": BALLOON_PATH, "property": "guest-stats"}
POLLING = {"path": BALLOON_PATH, "property": "guest-stats-polling-interval"}

SCRIPT: list[tuple[str, dict[str, Any]]] = [
    ("nonsense", {}),
    ("qmp_capabilities", {}),
    ("query-version", {}),
    ("query-status", {}),
    ("query-status", {"a": 1}),
    ("query-balloon", {}),
    ("query-memory-size-summary", {}),
    *(("balloon", arguments) for arguments in ({}, {"value": RAM})),
    *(("balloon", {"value": value}) for value in ("1", 0, -1, 1.5, True, None, 1 << 63, 1 << 40)),
    ("balloon", {"value": RAM, "now": True}),
    ("stop", {}),
    ("stop", {}),
    ("query-status", {}),
    ("cont", {}),
    ("qom-get", STATS),
    ("qom-get", POLLING),
    ("qom-get", {"path": BALLOON_PATH}),
    ("qom-get", {"path": BALLOON_PATH, "property": "nonsense"}),
    ("qom-get", {"path": "/nonsense", "property": "type"}),
    ("qom-set", STATS | {"value": 1}),
    *(("qom-set", POLLING | {"value": value}) for value in (-1, 1 << 32, "1", 1, 0)),
    ("qom-list", {"path": "/nonsense"}),
    ("dump-guest-memory", {"paging": False}),
    ("dump-guest-memory", {"paging": 0, "protocol": "file:/x"}),
    ("dump-guest-memory", {"paging": False, "protocol": "/x"}),
    ("system_reset", {}),
]


def shape(value: object) -> object:
    """Return the keys of an answer and the types of its values."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return type(value).__name__


def answers(qmp: Qmp) -> list[object]:
    """Run the script; return the shape of each answer, or class and text of each error."""
    found: list[object] = []
    for command, arguments in SCRIPT:
        try:
            found.append(shape(qmp.execute(command, **arguments)))
        except QmpError as error:
            found.append((error.kind, str(error)))
    return found


@pytest.mark.peers
def test_answers_are_qemus(tmp_path: Path) -> None:
    """Every answer has QEMU's shape, every error its class and its words; statistics are more."""
    with Qemu(images.FIRMWARE, images.GUEST, RAM) as qemu:
        theirs = answers(qemu.qmp)
    with running(tmp_path) as run, closing(Qmp.connect(run.socket)) as qmp:
        ours = answers(qmp)
    stats = next(number for number, (_, arguments) in enumerate(SCRIPT) if arguments == STATS)
    new, old = ours.pop(stats), theirs.pop(stats)
    assert ours == theirs
    assert isinstance(new, dict)
    assert isinstance(old, dict)
    assert new.keys() == old.keys()
    assert new["stats"].items() >= old["stats"].items()
