"""The command, disks, images compiled from the sources as they are now, and a Linux, for system tests."""

import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hv.images.build import IMAGES, Image, build
from hv.linux.kit import Kit
from tests.harness.guest import make_disk
from tests.harness.kit import find_kit
from tests.harness.terminal import SCRIPT, Done, Run
from tests.system.hibernation import DISK

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ROOT = Path(__file__).resolve().parents[2]


def compile_image(image: Image, folder: Path) -> Path:
    """Compile one image into `folder`; return its path."""
    build(image, ROOT, folder / image.output, ROOT / ".zig-cache")
    return folder / image.output


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our firmware."""
    return compile_image(IMAGES[0], tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="session")
def sbi_test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The S-mode program that calls every SBI function (tests/system/payloads/sbi_test)."""
    image = Image("tests/system/payloads/sbi_test", "payload.ld", "sbi_test.elf")
    return compile_image(image, tmp_path_factory.mktemp("payload"))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A blank disk that an image fits on."""
    return make_disk(tmp_path / "swap.img", DISK)


@pytest.fixture(scope="session")
def kit() -> Kit:
    """A kit in the user's cache; it is made if need be, and the tests skip where it cannot."""
    return find_kit()


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the kernels with bugs."""
    return tmp_path_factory.mktemp("plants")


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The script, run inside the test's process: what it is spared is starting Python and importing numba."""
    handlers = {number: signal.getsignal(number) for number in _ENDING}

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        captured = capfdbinary.readouterr()
        return Done(int(ended.value.code or 0), captured.out.decode("latin-1"), captured.err.decode())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
