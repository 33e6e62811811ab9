"""The pytest plugin, as a project has it that knows nothing of this one."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "scenarios.md"

BAD = """
def test_unsound(scenario):
    world = scenario(era="e0", carrier="host")
    world.start(touch=100, target=500).hibernate()
    run = world.next()
    run.until_target()
    run.balance("resumed")

def test_machine(machine):
    one = machine(ram=32 << 20, balloon=100)
    assert one.balloon.target_pages == 100
"""


def _pytest(project: Path, *arguments: str, path: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the tests of a scratch project; `path` replaces what the interpreter would import from."""
    flags = ["-S"] if path else []
    command = [
        sys.executable,
        *flags,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *arguments,
        str(project),
    ]
    environment = os.environ | ({"PYTHONPATH": path} if path else {})
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def _example() -> str:
    """The example in the documentation."""
    found = re.search(r"```python\n(# test_.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    return found[1]


def test_findings_fail_the_test_with_the_last_steps(tmp_path: Path) -> None:
    """A test that ignores a leak fails by the world's findings, not as an error of its teardown."""
    (tmp_path / "test_bad.py").write_text(BAD)
    result = _pytest(tmp_path)
    assert result.returncode == 1
    assert "1 failed, 1 passed" in result.stdout
    assert "500 pages are in use and nobody's: leaked" in result.stdout
    assert "The last steps:" in result.stdout


def test_pytest_starts_without_the_machine(tmp_path: Path) -> None:
    """A user's tests that have nothing to do with us do not pay for numba or unicorn."""
    test = (
        "import sys\n\ndef test_light():\n    assert not {'numba', 'numpy', 'unicorn'} & set(sys.modules)\n"
    )
    (tmp_path / "test_light.py").write_text(test)
    result = _pytest(tmp_path)
    assert result.returncode == 0, result.stdout


def test_the_example_in_the_documentation_is_short_and_passes(tmp_path: Path) -> None:
    """The documented outside test has under 20 lines."""
    example = _example()
    assert example.count("\n") < 20
    (tmp_path / "test_example.py").write_text(example)
    result = _pytest(tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.campaign
def test_it_works_from_the_wheel_alone(tmp_path: Path) -> None:
    """A project that has the wheel, and not this source tree, runs the example and the suite."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed, project = tmp_path / "installed", tmp_path / "project"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    project.mkdir()
    where = f"\n    import hv\n    assert hv.__file__.startswith({str(installed)!r})\n"
    (project / "test_example.py").write_text(_example() + "\n\ndef test_where():" + where)
    # Without site's .pth files the editable install of this tree is not there.
    path = f"{installed}{os.pathsep}{sysconfig.get_path('purelib')}"
    result = _pytest(project, path=path)
    assert result.returncode == 0, result.stdout
    assert re.search(r"\b7 passed", result.stdout)
    done = subprocess.run(
        [sys.executable, "-S", "-c", "from hv.cli import main; main()", "conformance", "run", "-k", "reset"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert " 0 unexpected" in done.stdout, done.stdout + done.stderr
