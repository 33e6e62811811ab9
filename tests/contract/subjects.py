"""Every device that saves its state, ready to be driven through the contract suite.

A subject is a device with all that surrounds it: wires to look at, and what the host can do to it. To put a
new device under the contract, add a `Subject` that builds it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from devices.clint import Clint
from devices.gpio import SifiveGpio
from devices.mmio import MmioDevice
from devices.plic import Plic
from devices.power import Power
from devices.rtc import GoldfishRtc
from devices.state import Stateful
from devices.uart import Uart
from devices.virtio.backends import MemoryBackend
from devices.virtio.balloon import ALL_FEATURES, Balloon
from devices.virtio.block import Block
from devices.virtio.console import VirtioConsole
from devices.virtio.rng import Rng
from hv.conformance.ours import Slot, Wire
from tests.harness.timer import StoppedTimer


class Device(MmioDevice, Stateful, Protocol):
    """What the contract is about."""


@dataclass
class Bench:
    """A device as the machine would hold it.

    Attributes:
        device: the device.
        wires: the interrupts that it drives.
        host: something that the host side does to it, chosen by a byte.
    """

    device: Device
    wires: list[Wire] = field(default_factory=list)
    host: Callable[[int], None] = field(default=lambda _choice: None)


@dataclass(frozen=True)
class Subject:
    """A kind of device.

    Attributes:
        name: what test ids and state errors call it.
        build: makes a new one in its reset state.
        offsets: registers where something can happen; the suite tries all other offsets too.
    """

    name: str
    build: Callable[[], Bench]
    offsets: tuple[int, ...]


def _clint() -> Bench:
    wire = Wire()
    return Bench(Clint(StoppedTimer(), wire), [wire])


def _plic() -> Bench:
    wires = [Wire(), Wire()]
    plic = Plic(95, wires)

    def host(choice: int) -> None:
        plic.line(1 + choice % 12).set_level(choice >= 128)

    return Bench(plic, wires, host)


def _uart() -> Bench:
    wire = Wire()
    uart = Uart(wire, lambda _byte: None)
    return Bench(uart, [wire], lambda choice: uart.receive(bytes(range(choice % 24))))


def _rtc() -> Bench:
    wire = Wire()
    now = 0

    def host(choice: int) -> None:
        nonlocal now
        now += choice << 26
        rtc.advance(now)

    rtc = GoldfishRtc(wire, lambda: now, lambda: None)
    return Bench(rtc, [wire], host)


def _gpio() -> Bench:
    wire = Wire()
    gpio = SifiveGpio(wire)
    return Bench(gpio, [wire], lambda choice: gpio.set_level(choice % 2 == 1))


def _power() -> Bench:
    return Bench(Power(lambda _request: None))


def _virtio_balloon(interface: str) -> Bench:
    balloon = Balloon(ALL_FEATURES)
    slot = Slot(balloon, interface=interface)
    wishes: tuple[Callable[[], object], ...] = (
        balloon.request_stats,
        balloon.start_hinting,
        balloon.stop_hinting,
        balloon.finish_hinting,
        slot.mmio.service,
    )

    def host(choice: int) -> None:
        if choice < 128:
            balloon.set_target(choice % 4)
        else:
            wishes[choice % len(wishes)]()

    return Bench(slot.mmio, [slot.wire], host)


def _virtio_block(interface: str) -> Bench:
    slot = Slot(Block(MemoryBackend(bytes(4096)), "contract"), interface=interface)
    return Bench(slot.mmio, [slot.wire], lambda _choice: slot.mmio.service())


def _virtio_console(interface: str) -> Bench:
    console = VirtioConsole(lambda _byte: None)
    slot = Slot(console, interface=interface)
    return Bench(slot.mmio, [slot.wire], lambda choice: console.receive(bytes(choice % 3)))


def _virtio_rng(interface: str) -> Bench:
    slot = Slot(Rng(1), interface=interface)
    return Bench(slot.mmio, [slot.wire], lambda _choice: slot.mmio.service())


_COMMON_OFFSETS = (
    0x14,
    0x20,
    0x24,
    0x30,
    0x34,
    0x38,
    0x50,
    0x60,
    0x64,
    0x70,
    0x70,
    0x70,
    0x100,
    0x104,
    0x108,
    0x10C,
)
MODERN_OFFSETS = (*_COMMON_OFFSETS, 0x44, 0x80, 0x84, 0x90, 0x94, 0xA0, 0xA4, 0xC0, 0xFC)
LEGACY_OFFSETS = (*_COMMON_OFFSETS, 0x28, 0x28, 0x3C, 0x40, 0x40)


SUBJECTS = (
    Subject("clint", _clint, (0x0, 0x4, 0x4000, 0x4004, 0xBFF8, 0xBFFC)),
    Subject(
        "plic",
        _plic,
        (
            *range(0, 0x34, 4),
            *(0x1000, 0x1004, 0x1008, 0x2000, 0x2004, 0x2008, 0x2080, 0x2084, 0x2088),
            *(0x20_0000, 0x20_0004, 0x20_1000, 0x20_1004),
        ),
    ),
    Subject("uart", _uart, tuple(range(8))),
    Subject("rtc", _rtc, tuple(range(0, 0x20, 4))),
    Subject("gpio", _gpio, tuple(range(0, 0x44, 4))),
    Subject("power", _power, (0x0, 0x8)),
    Subject("virtio-balloon", partial(_virtio_balloon, "modern"), MODERN_OFFSETS),
    Subject("virtio-block", partial(_virtio_block, "modern"), MODERN_OFFSETS),
    Subject("virtio-console", partial(_virtio_console, "modern"), MODERN_OFFSETS),
    Subject("virtio-rng", partial(_virtio_rng, "modern"), MODERN_OFFSETS),
    Subject("virtio-balloon-legacy", partial(_virtio_balloon, "legacy"), LEGACY_OFFSETS),
    Subject("virtio-block-legacy", partial(_virtio_block, "legacy"), LEGACY_OFFSETS),
)
