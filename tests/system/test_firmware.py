"""The firmware as an S-mode kernel meets it: every SBI function, every way to end, every refusal to boot."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from hv import board
from hv.fdt import DeviceTree, Node, cells, decode, text, wide
from hv.hibernate import thaw, write_host_image
from hv.machine import Machine
from tests.harness.patience import PATIENCE_S
from tests.harness.qemu_process import QemuProcess, find_qemu
from tests.system.platforms import (
    Ending,
    OwnPlatform,
    Platform,
    QemuPlatform,
    Run,
    finish,
    own_config,
    run_own,
    start,
)

OPENSBI = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin")
SLEEP_REGISTER = 0x8180_0000
"""RAM that plays the platform's sleep register on QEMU: the host can see what was written there."""

RAM_IMAGE = SLEEP_REGISTER + board.PAGE_SIZE - board.DRAM_BASE
"""Bytes of RAM that a hibernation on QEMU keeps: all below QEMU's own device tree."""

QEMU = QemuPlatform()
OLD_CPU = "rv64,sstc=off,h=off,zba=off,zbb=off,zbc=off,zbs=off,priv_spec=v1.10.0"
PLATFORMS = [
    pytest.param(OwnPlatform(), id="own"),
    pytest.param(QEMU, id="qemu", marks=pytest.mark.peers),
    pytest.param(QemuPlatform("rv64,sstc=off"), id="qemu-without-sstc", marks=pytest.mark.peers),
    pytest.param(QemuPlatform(OLD_CPU), id="qemu-privileged-1.10", marks=pytest.mark.peers),
    pytest.param(QemuPlatform(harts=2), id="qemu-two-harts", marks=pytest.mark.peers),
]
on_every_platform = pytest.mark.parametrize("platform", PLATFORMS)


@pytest.fixture
def qemu_tree(tmp_path: Path) -> DeviceTree:
    """QEMU's own device tree."""
    path = tmp_path / "virt.dtb"
    command = [find_qemu(), "-m", f"{board.RAM_MIN // board.MIB}M", "-machine", f"virt,dumpdtb={path}"]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    return decode(path.read_bytes())


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[[DeviceTree], Path]:
    """Writes a device tree into a file for `-dtb`."""

    def write(tree: DeviceTree) -> Path:
        path = tmp_path / "given.dtb"
        path.write_bytes(tree.encode())
        return path

    return write


def assert_passed(run: Run) -> None:
    """All checks of the payload held, none was left out, and it got to its end."""
    lines = run.console.splitlines()
    assert [line for line in lines if re.search(r"FAIL|panic", line)] == []
    assert lines[-1:] == ["done: passed"]
    assert run.ending == Ending.POWEROFF


@on_every_platform
def test_every_sbi_function_keeps_its_promise(platform: Platform, firmware: Path, sbi_test: Path) -> None:
    """BASE, TIME, IPI, RFENCE, HSM, SRST, SUSP, DBCN, traps, PMP: each check of the payload holds."""
    run = platform.run(firmware, sbi_test, "sbi_test=all")
    assert_passed(run)
    lines = run.console.splitlines()
    assert [line for line in lines if line.endswith("skip")] == []
    assert {"dbcn.text ok", "dbcn.byte ok"} <= set(lines)  # what the payload printed through DBCN


@on_every_platform
def test_what_only_our_firmware_promises(platform: Platform, firmware: Path, sbi_test: Path) -> None:
    """SBI 2.0; 2 MiB closed; the only hart does not stop, nor suspend to where it cannot resume."""
    assert_passed(platform.run(firmware, sbi_test, "sbi_test=own"))


@pytest.mark.peers
def test_hibernation_needs_the_platforms_register(firmware: Path, sbi_test: Path) -> None:
    """Where the tree has no platform-sleep node, hibernation is refused as not supported."""
    assert_passed(QEMU.run(firmware, sbi_test, "sbi_test=sleepless"))


@pytest.mark.peers
def test_opensbi_answers_the_same_payload(sbi_test: Path) -> None:
    """Debian's unmodified OpenSBI passes our checks, so the checks ask for SBI and not for our firmware."""
    if not OPENSBI.exists():
        pytest.skip(f"{OPENSBI} is not installed (Debian: apt install opensbi)")
    assert_passed(QEMU.run(OPENSBI, sbi_test, "sbi_test=all"))


@on_every_platform
@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        ("fail", Ending.FAILURE),
        ("cold", Ending.RESET),
        ("warm", Ending.RESET),
        ("nothing", Ending.POWEROFF),
    ],
)
def test_system_reset_ends_the_machine_as_asked(
    platform: Platform, mode: str, ending: Ending, firmware: Path, sbi_test: Path
) -> None:
    """Shutdown powers off, shutdown after a system failure fails the machine, a reboot resets it."""
    assert platform.run(firmware, sbi_test, f"sbi_test={mode}").ending == ending


def seen_tree(run: Run) -> bytes:
    """Return the device tree that the payload was given."""
    found = re.search(r"^tree ([0-9a-f]+)$", run.console, re.MULTILINE)
    assert found
    return bytes.fromhex(found[1])


@pytest.mark.peers
def test_firmware_reserves_its_memory_in_the_tree(
    firmware: Path,
    sbi_test: Path,
    qemu_tree: DeviceTree,
    write_tree: Callable[[DeviceTree], Path],
    tmp_path: Path,
) -> None:
    """The kernel's tree is the platform's plus a no-map region over the firmware, and dtc reads it."""
    seen = seen_tree(QEMU.run(firmware, sbi_test, "sbi_test=tree", write_tree(qemu_tree)))
    root = decode(seen).root
    qemu_tree.root.children["chosen"].properties["bootargs"] = text("sbi_test=tree")
    for tree in (root, qemu_tree.root):
        del tree.children["chosen"].properties["rng-seed"]  # QEMU draws it anew at each reset
    region = Node({"reg": wide(board.FIRMWARE_BASE, board.FIRMWARE_SIZE), "no-map": b""})
    reserved = {"#address-cells": cells(2), "#size-cells": cells(2), "ranges": b""}
    assert root.children.pop("reserved-memory") == Node(
        reserved, {f"firmware@{board.FIRMWARE_BASE:x}": region}
    )
    assert root == qemu_tree.root
    if dtc := shutil.which("dtc"):
        (tmp_path / "seen.dtb").write_bytes(seen)
        command = [dtc, "-I", "dtb", "-O", "dts", str(tmp_path / "seen.dtb")]
        assert (
            "firmware@80000000 {"
            in subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )


@pytest.mark.peers
def test_a_tree_that_reserves_memory_is_left_alone(
    firmware: Path, sbi_test: Path, qemu_tree: DeviceTree, write_tree: Callable[[DeviceTree], Path]
) -> None:
    """A platform that has its own /reserved-memory hands the kernel exactly that."""
    qemu_tree.root.children["reserved-memory"] = Node({"ranges": b""})
    seen = seen_tree(QEMU.run(firmware, sbi_test, "sbi_test=tree", write_tree(qemu_tree)))
    assert decode(seen).root.children["reserved-memory"] == Node({"ranges": b""})


@pytest.mark.peers
def test_a_machine_without_a_kernel_says_so(firmware: Path) -> None:
    """Without `-kernel` the machine fails at once, and the console names the field."""
    run = QEMU.run(firmware, None)
    assert "panic: fw_dynamic_info: next_addr" in run.console
    assert run.ending == Ending.FAILURE


@pytest.mark.peers
def test_a_tree_without_memory_is_refused(
    firmware: Path, sbi_test: Path, qemu_tree: DeviceTree, write_tree: Callable[[DeviceTree], Path]
) -> None:
    """A tree that does not say where RAM is ends the boot with the reason."""
    memory = next(node for name, node in qemu_tree.root.children.items() if name.startswith("memory@"))
    del memory.properties["device_type"]
    run = QEMU.run(firmware, sbi_test, dtb=write_tree(qemu_tree))
    assert "panic: device tree: no memory node" in run.console
    assert run.ending == Ending.FAILURE


@pytest.mark.peers
def test_a_trap_in_the_firmware_is_reported_and_fatal(
    firmware: Path, sbi_test: Path, qemu_tree: DeviceTree, write_tree: Callable[[DeviceTree], Path]
) -> None:
    """When M-mode traps, the console shows cause, address and registers, and the machine fails."""
    memory = next(node for name, node in qemu_tree.root.children.items() if name.startswith("memory@"))
    memory.properties["reg"] = wide(board.DRAM_BASE, 2 * board.GIB)
    run = QEMU.run(firmware, sbi_test, "sbi_test=absent", write_tree(qemu_tree))
    assert "firmware: panic: load access fault" in run.console
    assert re.search(
        r"^mcause  0{15}5  mepc  0{8}80[01]\w{5}  mtval  0{8}c0000000 ", run.console, re.MULTILINE
    )
    assert len(re.findall(r"\b[agst]\d+ +[0-9a-f]{16}\b", run.console)) == 27
    assert run.ending == Ending.FAILURE


def read_word(qemu: QemuProcess, address: int) -> int:
    """Read 32 bits of a running machine's physical memory."""
    shown: str = qemu.qmp.execute("human-monitor-command", command_line=f"xp /1xw {address:#x}")
    return int(shown.split()[1], 16)


def wait_for_hibernation(qemu: QemuProcess) -> None:
    """Start the machine, wait until the firmware has written the sleep register, then stop the machine."""
    start(qemu)
    for _ in range(100_000):
        if read_word(qemu, SLEEP_REGISTER) == board.FINISHER_HIBERNATE:
            qemu.qmp.execute("stop")
            return
    pytest.fail("the firmware did not write the sleep register")


def keep_ram(qemu: QemuProcess, path: Path) -> None:
    """Save RAM as the platform does, and clear the register as a new machine's is."""
    qemu.qmp.execute("pmemsave", val=board.DRAM_BASE, size=RAM_IMAGE, filename=str(path))
    with path.open("r+b") as image:
        image.seek(SLEEP_REGISTER - board.DRAM_BASE)
        image.write(bytes(4))


def thaw_arguments(image: Path, dtb: Path) -> list[str]:
    """A new machine whose RAM is the image: the reset vector finds the firmware that is in it."""
    arguments = [
        "-m",
        f"{board.RAM_MIN // board.MIB}M",
        "-bios",
        "none",
        "-dtb",
        str(dtb),
        "-S",
        "-no-reboot",
    ]
    arguments += ["-device", f"loader,file={image},addr={board.DRAM_BASE:#x},force-raw=on"]
    return [*arguments, "-serial", "chardev:serial"]


@pytest.mark.peers
def test_hibernation_resumes_in_a_new_qemu(
    firmware: Path,
    sbi_test: Path,
    qemu_tree: DeviceTree,
    write_tree: Callable[[DeviceTree], Path],
    tmp_path: Path,
) -> None:
    """RAM alone carries a hart over to a new machine, twice; then every SBI function works there."""
    sleep = Node({"compatible": text("thawvisor,platform-sleep"), "reg": wide(SLEEP_REGISTER, 4)})
    qemu_tree.root.children["soc"].children[f"sleep@{SLEEP_REGISTER:x}"] = sleep
    dtb, image = write_tree(qemu_tree), tmp_path / "ram"
    arguments = QemuPlatform().arguments(firmware, sbi_test, "sbi_test=hibernate", dtb)
    for _ in range(2):
        with QemuProcess(arguments, ["serial"]) as qemu:
            wait_for_hibernation(qemu)
            keep_ram(qemu, image)
        arguments = thaw_arguments(image, dtb)
    with QemuProcess(arguments, ["serial"]) as qemu:
        run = finish(qemu)
    assert_passed(run)
    assert run.console.startswith("hibernation.second ok\n")


def resume_point(firmware: Path) -> int:
    """Return where the firmware keeps the magic of a hibernation."""
    with firmware.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        return next(
            int(symbol["st_value"]) for symbol in symbols.iter_symbols() if symbol.name == "resume_point"
        )


def test_hibernation_resumes_in_a_new_machine_of_ours(firmware: Path, sbi_test: Path, tmp_path: Path) -> None:
    """The same on our own machine, carried by its host image; the firmware's resume point is used up."""
    config = own_config(firmware, sbi_test, "sbi_test=hibernate")
    machine, image = Machine(config), tmp_path / "image"
    for _ in range(2):
        with machine:
            assert run_own(machine).ending == Ending.HIBERNATE
            write_host_image(machine, image)
        machine = thaw(image, config)
    with machine:
        run = run_own(machine)
        assert machine.memory.read(resume_point(firmware), 8) == bytes(8)
    assert_passed(run)
    assert run.console.startswith("hibernation.second ok\n")
