"""Hibernation of the toy guest: what comes back, what is refused, and what a failure leaves."""

from pathlib import Path

from hv import board
from hv.hibernate import thaw, write_host_image
from hv.stop import StopReason
from tests.harness.guest import booted, config, make_disk
from tests.system.hibernation import RAM_MIB, TARGET, asleep, intact, judge, resumed, woken, working


def test_too_little_swap_fails_and_thaws(tmp_path: Path) -> None:
    """A swap area that cannot hold the image: -ENOSPC, nothing lost, and a smaller image fits afterwards."""
    with working(make_disk(tmp_path / "small.img", 8 * board.MIB)) as guest:
        guest.type("hibernate", status=-28)
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "thawed") == []
        guest.type("release")
        guest.type_last("hibernate", StopReason.POWEROFF)


def test_twice_in_a_row(disk: Path) -> None:
    """A resumed guest hibernates and resumes again, and its clock never goes back."""
    asleep(disk)
    with woken(disk) as guest:
        guest.wait_for_balloon()
        first = guest.type("uptime").values["uptime"]
        guest.type_last("hibernate", StopReason.POWEROFF)
    with woken(disk) as guest:
        guest.wait_for_balloon()
        intact(guest)
        assert judge(guest, "resumed twice") == []
        assert float(guest.type("uptime").values["uptime"]) > float(first)


def test_an_image_resumes_once(disk: Path) -> None:
    """The mark is taken off before the image runs: the next boot is a fresh one."""
    asleep(disk)
    with woken(disk):
        pass
    with booted(config(RAM_MIB, disk)) as guest:
        assert guest.type("mem").number("touched_pages") == 0


def test_a_damaged_image_boots_fresh(disk: Path) -> None:
    """A flipped bit anywhere in the image: a message and a fresh boot, never a wrong resume."""
    asleep(disk)
    image = disk.read_bytes()
    used = [at for at in range(0, len(image), board.PAGE_SIZE) if any(image[at : at + board.PAGE_SIZE])]
    places = [4096 - 10, used[1] + 5, used[2] + 100, used[len(used) // 2] + 2000, used[-2] + 7, used[-1] + 1]
    for place in places:
        damaged = bytearray(image)
        damaged[place] ^= 0x10
        disk.write_bytes(damaged)
        with booted(config(RAM_MIB, disk)) as guest:
            said = guest.machine.console.text()
            assert "resumed" not in said, f"bit flipped at byte {place}"
            assert "PM: " in said
            assert guest.type("mem").number("touched_pages") == 0


def test_another_ram_size_is_refused(disk: Path) -> None:
    """An image of a 64 MiB machine does not resume on 96 MiB: a message and a fresh boot."""
    asleep(disk)
    with booted(config(96, disk)) as guest:
        assert guest.type("mem").number("touched_pages") == 0


def test_a_truncated_swap_disk_boots_fresh(disk: Path) -> None:
    """A disk that lost its end while the machine was off gives a message and a fresh boot."""
    asleep(disk)
    with disk.open("r+b") as file:
        file.truncate(4 * board.MIB)
    with booted(config(RAM_MIB, disk)) as guest:
        assert guest.type("mem").number("touched_pages") == 0


def test_the_host_image_carries_it_too(tmp_path: Path) -> None:
    """A guest resumes twice from one host image, with fresh devices, memory and balloon right."""
    image = tmp_path / "guest.s4"
    with working(None, swap=False) as guest:
        guest.type_last("hibernate platform", StopReason.HIBERNATE)
        write_host_image(guest.machine, image)
    for _ in range(2):
        with thaw(image, config(RAM_MIB, balloon=TARGET)) as machine:
            guest = resumed(machine)
            guest.wait_for_balloon()
            intact(guest)
            assert judge(guest, "thawed") == []


def test_no_queue_is_touched_while_the_machine_sleeps(disk: Path) -> None:
    """The freezer holds the balloon's work: a target set in the freeze moves no page until the thaw."""
    with working(disk) as guest:
        balloon = guest.machine.balloon
        assert balloon is not None
        guest.machine.console.watch("Freezing remaining freezable tasks")
        guest.machine.uart.receive(b"hibernate\n")
        guest.machine.run(guest.machine.now_ns + 10**9, until=lambda: guest.machine.console.match is not None)
        inflated = balloon.counters.inflated_pages
        guest.machine.set_balloon_target(2 * TARGET)
        stop = guest.machine.run(guest.machine.now_ns + 10**10)
        guest.expect(stop.reason, StopReason.POWEROFF)
        assert balloon.counters.inflated_pages == inflated
    with woken(disk, balloon=2 * TARGET) as guest:
        guest.wait_for_balloon()
        intact(guest)
