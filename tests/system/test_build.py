"""The images are made of the source and of nothing else."""

import shutil
from pathlib import Path

from hv.images import FIRMWARE
from hv.images.build import IMAGES, build
from tests.system.conftest import ROOT


def test_another_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    """The firmware built in a copy of the tree, with an empty cache, is the one that is installed."""
    copy = tmp_path / "elsewhere"
    shutil.copytree(ROOT / "firmware", copy / "firmware")
    (copy / "hv").mkdir()
    shutil.copy(ROOT / "hv" / "board.py", copy / "hv")
    output = tmp_path / "firmware.elf"
    build(IMAGES[0], copy, output, tmp_path / "cache")
    assert output.read_bytes() == FIRMWARE.read_bytes()
