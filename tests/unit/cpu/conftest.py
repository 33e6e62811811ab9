"""The guest programs, compiled once a session."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from hv.cpu.mmio import Region
from hv.images import build
from tests.unit.cpu.board import Board, Image

ROOT = Path(__file__).resolve().parents[3]
GUEST = build.Image("tests/unit/cpu/guest", "guest.ld", "guest.elf")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The ELF with all guest programs."""
    path = tmp_path_factory.mktemp("cpu") / GUEST.output
    build.build(GUEST, ROOT, path, ROOT / ".zig-cache")
    return Image(path)


@pytest.fixture
def boot(image: Image) -> Iterator[Callable[..., Board]]:
    """Make boards with a program selected; they are closed after the test."""
    boards: list[Board] = []

    def make(program: str, extra: Iterable[Region] = ()) -> Board:
        boards.append(Board(image, program, extra))
        return boards[-1]

    yield make
    for made in boards:
        made.hart.close()
