"""The board: QEMU's `virt` machine, as far as our guests see it.

This is the single source of every address, size and interrupt number: the device tree (`hv.dtb`), the bus
(`hv.machine`) and the C header `board.h` (`hv.images.build`) are made from it. Source of the numbers: QEMU's
`hw/riscv/virt.c` (`virt_memmap`, `VIRT_IRQCHIP_*`), so that one firmware and one guest boot on both.
Standard library only: the build runs it before anything is installed.
"""

from dataclasses import dataclass

PAGE_SIZE = 4096
"""Bytes in a page; balloon PFNs are in this unit whatever the guest's is (VIRTIO_BALLOON_PFN_SHIFT)."""

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Region:
    """One device's place on the board.

    Attributes:
        base: physical address of the first byte.
        size: bytes decoded.
        irq: PLIC source number; 0 means that the device has no interrupt.
    """

    base: int
    size: int
    irq: int = 0


TEST = Region(0x10_0000, 0x1000)
RTC = Region(0x10_1000, 0x1000, irq=11)
CLINT = Region(0x200_0000, 0x1_0000)
PLIC = Region(0xC00_0000, 0x60_0000)
UART = Region(0x1000_0000, 0x100, irq=10)
GPIO = Region(0x1006_0000, 0x1000, irq=12)
"""Our addition to the board, at the place it has on SiFive's: one pin, the power button."""

VIRTIO_SLOTS = tuple(Region(0x1000_1000 + 0x1000 * slot, 0x1000, irq=1 + slot) for slot in range(8))
"""The eight virtio-mmio windows; slot i has irq 1 + i."""

PLIC_SOURCES = 95
"""Highest PLIC source number; the last that QEMU 7.2's enable bits cover (its tree says one more)."""

MTIME_HZ = 10_000_000
"""Frequency of mtime and of the `time` CSR: one tick is 100 ns."""

UART_CLOCK_HZ = 3_686_400

DRAM_BASE = 0x8000_0000
RAM_MIN = 32 * MIB
RAM_MAX = 8 * GIB

FIRMWARE_BASE = DRAM_BASE
FIRMWARE_SIZE = 2 * MIB
"""Memory that belongs to the firmware: `no-map` in the tree, closed to S and U mode by PMP."""

KERNEL_BASE = DRAM_BASE + FIRMWARE_SIZE

FINISHER_PASS = 0x5555
FINISHER_RESET = 0x7777
FINISHER_FAIL = 0x3333
"""SiFive's test finisher (`hw/misc/sifive_test.c`): power off, reset, fail with a code in bits 31:16."""

SLEEP_OFFSET = 0x8
"""Our addition to the board: a platform-sleep register behind the finisher (`thawvisor,platform-sleep`)."""

FINISHER_HIBERNATE = 0x4444
"""Written to the platform-sleep register: save RAM to the host image and power off."""

ISA = "rv64imafdc"
MMU = "riscv,sv39"


def c_header() -> str:
    """Return `board.h`, the same board for the C of firmware and tests."""
    values = {
        "PAGE_SIZE": PAGE_SIZE,
        "TEST_BASE": TEST.base,
        "RTC_BASE": RTC.base,
        "RTC_IRQ": RTC.irq,
        "CLINT_BASE": CLINT.base,
        "PLIC_BASE": PLIC.base,
        "UART_BASE": UART.base,
        "UART_IRQ": UART.irq,
        "VIRTIO_BASE": VIRTIO_SLOTS[0].base,
        "VIRTIO_STRIDE": VIRTIO_SLOTS[1].base - VIRTIO_SLOTS[0].base,
        "VIRTIO_SLOTS": len(VIRTIO_SLOTS),
        "MTIME_HZ": MTIME_HZ,
        "DRAM_BASE": DRAM_BASE,
        "FIRMWARE_BASE": FIRMWARE_BASE,
        "FIRMWARE_SIZE": FIRMWARE_SIZE,
        "KERNEL_BASE": KERNEL_BASE,
        "FINISHER_PASS": FINISHER_PASS,
        "FINISHER_RESET": FINISHER_RESET,
        "FINISHER_FAIL": FINISHER_FAIL,
        "FINISHER_HIBERNATE": FINISHER_HIBERNATE,
        "SLEEP_OFFSET": SLEEP_OFFSET,
    }
    defines = "".join(f"#define BOARD_{name} {value:#x}\n" for name, value in values.items())
    return f"/* Made from hv/board.py. Do not edit. */\n#ifndef BOARD_H\n#define BOARD_H\n{defines}#endif\n"
