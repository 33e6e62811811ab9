"""The board's device tree: what the firmware and the guest are told of `hv.board`.

It is QEMU's tree for `-machine virt` (names, compatibles, phandles), less the devices that we lack, plus

- `#address-cells` in the hart's interrupt controller, without which dtc warns;
- the `riscv,isa-base` and `riscv,isa-extensions` that replace `riscv,isa` in newer kernels;
- `/reserved-memory`, without which a hibernating kernel saves the firmware's memory, and faults (PMP);
- a power button: `gpio-keys` on the only pin of a `sifive,gpio0`, as QEMU's `virt` for Arm has one;
- `thawvisor,platform-sleep`, the register that asks the platform to keep RAM and switch off. It lies inside
  the test finisher's window, so its node is a subnode of the finisher's, with addresses passed through
  unchanged.

Source: QEMU 7.2 `hw/riscv/virt.c`; Linux `Documentation/devicetree/bindings/riscv/`,
`.../reserved-memory/`.
"""

import hashlib

from hv import board
from hv.board import Region
from hv.fdt import DeviceTree, Node, cells, text, wide

CPU_PHANDLE, INTC_PHANDLE, PLIC_PHANDLE, TEST_PHANDLE = 1, 2, 3, 4
"""The numbers that QEMU gives the four nodes that others point at."""

GPIO_PHANDLE = 5

KEY_POWER = 116
"""Linux, `uapi/linux/input-event-codes.h`."""

IRQ_M_SOFT, IRQ_M_TIMER, IRQ_S_EXT, IRQ_M_EXT = 3, 7, 9, 11
"""Interrupt numbers of the hart (privileged spec, table of mcause), as `riscv,cpu-intc` counts them."""

RNG_SEED = hashlib.sha256(b"thawvisor").digest()
"""What the guest's random pool starts from: always the same, or no two runs would be."""


def board_tree(
    ram_size: int, bootargs: str = "", initrd: tuple[int, int] | None = None, *, platform_sleep: bool = True
) -> DeviceTree:
    """Describe the board.

    Args:
        ram_size: bytes of RAM.
        bootargs: the kernel's command line.
        initrd: address of the initial RAM disk, and the first address after it; None without one.
        platform_sleep: whether the platform has a place to keep RAM in when the guest hibernates.

    Raises:
        ConfigError: the command line has a NUL.
    """
    ram = Region(board.DRAM_BASE, ram_size)
    children = {
        "chosen": _chosen(bootargs, initrd),
        "reserved-memory": _reserved_memory(),
        _unit("memory", ram): Node({"device_type": text("memory"), "reg": _reg(ram)}),
        "cpus": _cpus(),
        "poweroff": _syscon("syscon-poweroff", board.FINISHER_PASS),
        "reboot": _syscon("syscon-reboot", board.FINISHER_RESET),
        "gpio-keys": _power_button(),
        "soc": _soc(platform_sleep),
    }
    identity = {"compatible": text("riscv-virtio"), "model": text("riscv-virtio,thawvisor")}
    return DeviceTree(Node(_addressing(2, 2) | identity, children))


def _unit(name: str, region: Region) -> str:
    return f"{name}@{region.base:x}"


def _reg(region: Region) -> bytes:
    return wide(region.base, region.size)


def _addressing(address: int, size: int) -> dict[str, bytes]:
    return {"#address-cells": cells(address), "#size-cells": cells(size)}


def _chosen(bootargs: str, initrd: tuple[int, int] | None) -> Node:
    chosen = Node({"stdout-path": text(f"/soc/{_unit('serial', board.UART)}"), "rng-seed": RNG_SEED})
    if bootargs:
        chosen.properties["bootargs"] = text(bootargs)
    if initrd:
        chosen.properties |= {"linux,initrd-start": wide(initrd[0]), "linux,initrd-end": wide(initrd[1])}
    return chosen


def _reserved_memory() -> Node:
    firmware = Region(board.FIRMWARE_BASE, board.FIRMWARE_SIZE)
    region = Node({"reg": _reg(firmware), "no-map": b""})
    return Node(_addressing(2, 2) | {"ranges": b""}, {_unit("firmware", firmware): region})


def _cpus() -> Node:
    base, letters = board.ISA[:5], board.ISA[4:]  # "rv64i", "imafdc"
    intc = {
        "#address-cells": cells(0),
        "#interrupt-cells": cells(1),
        "interrupt-controller": b"",
        "compatible": text("riscv,cpu-intc"),
        "phandle": cells(INTC_PHANDLE),
    }
    cpu = {
        "phandle": cells(CPU_PHANDLE),
        "device_type": text("cpu"),
        "reg": cells(0),
        "status": text("okay"),
        "compatible": text("riscv"),
        "riscv,isa": text(board.ISA),
        "riscv,isa-base": text(base),
        "riscv,isa-extensions": text(*letters, "zicntr", "zicsr", "zifencei"),
        "mmu-type": text(board.MMU),
    }
    core = Node({"cpu": cells(CPU_PHANDLE)})
    children = {
        "cpu@0": Node(cpu, {"interrupt-controller": Node(intc)}),
        "cpu-map": Node(children={"cluster0": Node(children={"core0": core})}),
    }
    return Node(_addressing(1, 0) | {"timebase-frequency": cells(board.MTIME_HZ)}, children)


def _syscon(compatible: str, value: int) -> Node:
    """Return a node that says: writing `value` to the test finisher powers off, or resets."""
    properties = {"regmap": cells(TEST_PHANDLE), "offset": cells(0), "value": cells(value)}
    return Node({"compatible": text(compatible)} | properties)


def _power_button() -> Node:
    """Return a node that says: the pin, when it is high, is a key (`gpio-keys`)."""
    key = {"label": text("Power Button"), "linux,code": cells(KEY_POWER), "gpios": cells(GPIO_PHANDLE, 0, 0)}
    return Node({"compatible": text("gpio-keys")}, {"poweroff": Node(key)})


def _device(region: Region, *compatible: str) -> Node:
    node = Node({"compatible": text(*compatible), "reg": _reg(region)})
    if region.irq:
        node.properties |= {"interrupts": cells(region.irq), "interrupt-parent": cells(PLIC_PHANDLE)}
    return node


def _soc(platform_sleep: bool) -> Node:
    test = _device(board.TEST, "sifive,test1", "sifive,test0", "syscon")
    test.properties |= _addressing(2, 2) | {"ranges": b"", "phandle": cells(TEST_PHANDLE)}
    if platform_sleep:
        sleep = Region(board.TEST.base + board.SLEEP_OFFSET, 4)
        test.children[_unit("sleep", sleep)] = _device(sleep, "thawvisor,platform-sleep")

    clint = _device(board.CLINT, "sifive,clint0", "riscv,clint0")
    clint.properties["interrupts-extended"] = cells(INTC_PHANDLE, IRQ_M_SOFT, INTC_PHANDLE, IRQ_M_TIMER)

    plic = _device(board.PLIC, "sifive,plic-1.0.0", "riscv,plic0")
    plic.properties |= {
        "phandle": cells(PLIC_PHANDLE),
        "#address-cells": cells(0),
        "#interrupt-cells": cells(1),
        "interrupt-controller": b"",
        "interrupts-extended": cells(INTC_PHANDLE, IRQ_M_EXT, INTC_PHANDLE, IRQ_S_EXT),
        "riscv,ndev": cells(board.PLIC_SOURCES),
    }
    uart = _device(board.UART, "ns16550a")
    uart.properties["clock-frequency"] = cells(board.UART_CLOCK_HZ)

    gpio = _device(board.GPIO, "sifive,gpio0")
    gpio.properties |= {
        "phandle": cells(GPIO_PHANDLE),
        "gpio-controller": b"",
        "#gpio-cells": cells(2),
        "#address-cells": cells(0),
        "interrupt-controller": b"",
        "#interrupt-cells": cells(2),
    }

    children = {
        _unit("test", board.TEST): test,
        _unit("rtc", board.RTC): _device(board.RTC, "google,goldfish-rtc"),
        _unit("clint", board.CLINT): clint,
        _unit("plic", board.PLIC): plic,
        _unit("serial", board.UART): uart,
        _unit("gpio", board.GPIO): gpio,
    }
    children |= {_unit("virtio_mmio", slot): _device(slot, "virtio,mmio") for slot in board.VIRTIO_SLOTS}
    return Node(_addressing(2, 2) | {"compatible": text("simple-bus"), "ranges": b""}, children)
