"""The tutorial's device: its two faults are found and named, and mended as the tutorial says."""

import re
from pathlib import Path

import pytest

from hv.conformance import suite
from hv.conformance.suite import FAILED, NOT_APPLICABLE, PASSED, Selection
from tests.harness.terminal import thawvisor

TUTORIAL = (Path(__file__).parents[3] / "docs" / "conformance-tutorial.md").read_text()
CODE = re.search(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)[1]
TRANSCRIPT = re.search(r"```\n\$ thawvisor (.*?)\n(.*?)```", TUTORIAL, re.DOTALL)

MENDED = CODE.replace(
    "        self.num_pages = pages\n",
    "        self.num_pages = pages\n        self.generation = getattr(self, 'generation', 0) + 1\n",
)
MENDED = MENDED.replace("{0x00: 0x74726976", "{0xFC: getattr(self, 'generation', 0), 0x00: 0x74726976")
MENDED = MENDED.replace("and value < 2:", "and value < 2 and self.written.get((value, 0x44)):")


def test_the_class_is_as_short_as_the_tutorial_says() -> None:
    """No more than 60 lines of code, and as many as the text says."""
    lines = [line for line in CODE[CODE.index("class ") :].splitlines() if line.strip()]
    assert len(lines) <= 60
    assert f"in {len(lines)} lines of code" in TUTORIAL


def test_the_transcript_is_what_the_command_prints(tmp_path: Path) -> None:
    """The tutorial's run, on the tutorial's class, prints the tutorial's lines, and ends with 1."""
    (tmp_path / "mine.py").write_text(CODE)
    done = thawvisor(*TRANSCRIPT[1].split(), shell=f"cd {tmp_path}")
    assert done.status == 1, done.err
    rest = done.out
    for part in TRANSCRIPT[2].split("…\n"):
        assert part in rest
        rest = rest[rest.index(part) + len(part) :]
    failed = re.findall(r"^FAIL .*\n +(C\d{3}):", done.out, re.MULTILINE)
    assert failed == ["C181", "C182", "C182"]


def test_the_mended_class_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the two faults mended as the tutorial says, every test that applies passes."""
    (tmp_path / "mended_balloon.py").write_text(MENDED)
    monkeypatch.syspath_prepend(tmp_path)
    results = suite.run(Selection("mended_balloon:Balloon"))
    assert [f"{each.name}\n{each.text}" for each in results if each.outcome == FAILED] == []
    assert {each.outcome for each in results} == {PASSED, NOT_APPLICABLE}
