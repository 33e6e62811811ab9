"""What the README shows is what happens."""

import doctest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_python_in_the_readme_runs() -> None:
    """Every prompt in the README gives the answer that stands below it."""
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert tried > 0
    assert failed == 0
