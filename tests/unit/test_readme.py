"""What the documents show is what happens."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("document", ["README.md", "docs/balloon.md"])
def test_every_prompt_gives_the_answer_below_it(document: str) -> None:
    """Every prompt in the document gives the answer that stands below it."""
    failed, tried = doctest.testfile(str(ROOT / document), module_relative=False)
    assert (failed, tried > 0) == (0, True)
