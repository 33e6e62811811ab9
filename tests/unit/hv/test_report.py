"""Reports of stopped machines, as people read them."""

import re
from pathlib import Path

import pytest

from hv import images
from hv.config import MachineConfig
from hv.report import describe
from hv.stop import StopReason
from tests.harness.guest import booted, config


@pytest.mark.parametrize("line", ["poweroff", "reboot", "hibernate platform"])
def test_a_machine_that_just_stopped(line: str) -> None:
    """A guest that did not die is one line: why, and when."""
    with booted(config(32)) as guest:
        stop = guest.command(line).stop
        report = describe(guest.machine, stop)
    assert report == f"{stop.reason.name} at {stop.ns / 1e6:.6f} ms of virtual time"


def test_a_dead_guest() -> None:
    """A guest that died shows its registers, and the way from the shell's command to the firmware's end."""
    with booted(config(32)) as guest:
        guest.type_last("crash", StopReason.GUEST_FAULT)
        report = describe(guest.machine, guest.machine.run(guest.machine.now_ns))
        regs = guest.machine.hart.regs()
    for name, value in regs.items():
        assert re.search(rf"(^| ) *{name} {value:016x}( |$)", report, re.MULTILINE)
    trace = [line.split()[1].partition("+")[0] for line in report.partition("Call trace:\n")[2].splitlines()]
    way = ["finisher_fail", "sbi_srst", "sbi_ecall", "trap_entry", "sbi_system_reset", "panic", "cmd_crash"]
    assert [name for name in trace if name in way] == way


def test_images_without_symbols(tmp_path: Path) -> None:
    """A flat firmware has no symbols: its frames are addresses, the kernel's still have names."""
    elf = images.FIRMWARE.read_bytes()
    flat = tmp_path / "firmware.bin"
    flat.write_bytes(_flat(elf))
    with booted(MachineConfig(ram=64 << 20, bios=flat)) as guest:
        guest.type_last("panic", StopReason.GUEST_FAULT)
        report = describe(guest.machine, guest.machine.run(guest.machine.now_ns))
    trace = report.partition("Call trace:\n")[2].splitlines()
    assert re.fullmatch(r" \[<00000000800[0-9a-f]{5}>\] \(unknown\)", trace[0])
    assert any(" cmd_panic+" in line for line in trace)


def _flat(elf: bytes) -> bytes:
    """Return an ELF's memory from its lowest address on, as `objcopy -O binary` does."""
    import io

    from elftools.elf.elffile import ELFFile

    segments = [s for s in ELFFile(io.BytesIO(elf)).iter_segments("PT_LOAD") if s["p_filesz"]]
    base = min(segment["p_paddr"] for segment in segments)
    memory = bytearray(max(s["p_paddr"] + s["p_memsz"] for s in segments) - base)
    for segment in segments:
        at = segment["p_paddr"] - base
        memory[at : at + segment["p_filesz"]] = segment.data()
    return bytes(memory)
