"""Our firmware and guest on QEMU, through the harness that other tests stand on."""

from pathlib import Path

import pytest

from hv import board
from hv.images import FIRMWARE, GUEST
from tests.harness.console import ConsoleError
from tests.harness.qemu import Qemu

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_balloon_figures_agree(legacy: bool) -> None:
    """What QEMU counts in the balloon is what the guest says it gave, on the way up and on the way down."""
    with Qemu(FIRMWARE, GUEST, 64 * board.MIB, legacy=legacy) as qemu:
        assert qemu.console.wait_for_prompt() == 0
        for target in (1000, 1001, 0):
            qemu.set_balloon(target)
            qemu.wait_balloon(target)
            answer = qemu.console.shell("balloon")
            assert answer["target_pages"] == answer["num_pages"] == answer["actual_pages"] == target
        qemu.console.send("poweroff\n")
        assert qemu.wait_exit() == 0


def test_the_disk_is_in_slot_0_and_the_balloon_in_slot_1(tmp_path: Path) -> None:
    """The guest finds the devices at the addresses where our machine has them, and writes reach the file."""
    disk = tmp_path / "disk,with a comma.img"
    disk.write_bytes(bytes(16 * board.MIB))
    with Qemu(FIRMWARE, GUEST, disk=disk) as qemu:
        qemu.console.wait_for_prompt()
        assert "virtio_blk virtio0" in qemu.console.text
        assert "virtio_balloon virtio1" in qemu.console.text
        qemu.console.shell("mkswap")
        qemu.console.send("poweroff\n")
        assert qemu.wait_exit() == 0
    assert any(disk.read_bytes())


def test_a_reset_boots_again() -> None:
    """After the reset button the guest comes up afresh."""
    with Qemu(FIRMWARE, GUEST) as qemu:
        qemu.console.wait_for_prompt()
        qemu.console.shell("touch 5")
        qemu.reset()
        qemu.console.wait_for_prompt()
        assert qemu.console.shell("mem")["touched_pages"] == 0


def test_a_missing_answer_says_what_came_instead() -> None:
    """Waiting in vain, and a command with another status than expected, fail with the guest's last words."""
    with Qemu(FIRMWARE, GUEST, balloon=False) as qemu:
        qemu.console.wait_for_prompt()
        with pytest.raises(ConsoleError, match=r"'never' did not come in time; last was:\n(?s:.*)thaw:0> $"):
            qemu.console.expect("never", within=0.1)
        with pytest.raises(ConsoleError, match=r"`nonsense` ended with -2, not 0: \['nonsense"):
            qemu.console.shell("nonsense")
        qemu.console.send("poweroff\n")
        with pytest.raises(ConsoleError, match="the line closed before 'never'"):
            qemu.console.expect("never")
