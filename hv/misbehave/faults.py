"""What can go wrong with a device: a table, and what each row does.

Most faults are of a visit, one look of the device at a queue: they are what it does instead of its work. The
others happen by themselves, between two instructions of the guest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from devices.virtio.constants import VIRTIO_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_VRING
from hv.misbehave.overtaken import Overtaken
from hv.misbehave.visit import Visit

if TYPE_CHECKING:
    from hv.misbehave.around import Misbehaviour

_SPURIOUS_NS = 1_000_000
"""Between two interrupts for nothing."""


class Unit(Enum):
    """What a fault's value is."""

    NONE = ""
    TIME = "TIME"
    NUMBER = "N"


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    Attributes:
        name: as in a fault's text.
        summary: what the device does.
        unit: of the value.
        default: the value when none is given; None where one must be.
        visit: what the device does at a queue instead of its work; None when it is no fault of a visit.
        event: what happens by itself; None when it is one of a visit.
    """

    name: str
    summary: str
    unit: Unit = Unit.NONE
    default: int | None = 0
    visit: "Callable[[Misbehaviour, Visit, int], None] | None" = None
    event: "Callable[[Misbehaviour, int], None] | None" = None


@dataclass(frozen=True)
class Fault:
    """A fault of one device.

    Attributes:
        device: "balloon", "disk", "disk1" and so on.
        kind: what goes wrong.
        value: virtual ns, or a number, as the kind has it.
        request: the request, counted from 1 from when the fault is asked for, whose visit it is; or None.
        ns: the virtual time from when on it may come; 0 is at once.
        always: on every visit from then on, not on one.
    """

    device: str
    kind: Kind
    value: int = 0
    request: int | None = None
    ns: int = 0
    always: bool = False


def _silent(device: "Misbehaviour", _visit: Visit, value: int) -> None:
    device.look_away(range(len(device.transport.device.handlers)), value)


def _late(device: "Misbehaviour", visit: Visit, value: int) -> None:
    device.look_away([visit.queue.index], value)
    device.look_again(visit.queue.index, value)


def _out_of_order(device: "Misbehaviour", visit: Visit, _value: int) -> None:
    device.overtaken = Overtaken(device, visit)


def _wrong_used_length(_device: "Misbehaviour", visit: Visit, value: int) -> None:
    first = visit.used_idx
    visit.serve()
    for idx in range(first, first + len(visit.answers)):
        visit.show(idx, visit.shown(idx)._replace(length=value))


def _used_id_out_of_range(_device: "Misbehaviour", visit: Visit, value: int) -> None:
    first = visit.used_idx
    visit.serve(answered=False)
    visit.show(first, visit.shown(first)._replace(head=value))


def _used_index_out_of_range(_device: "Misbehaviour", visit: Visit, _value: int) -> None:
    visit.serve(answered=False)
    visit.used_idx += visit.queue.layout.size


def _needs_reset_after(device: "Misbehaviour", visit: Visit, _value: int) -> None:
    first = visit.used_idx
    visit.serve(answered=False)
    visit.used_idx = first
    device.transport.needs_reset("misbehaviour, with requests carried out and not answered")


def _needs_reset(device: "Misbehaviour", _value: int) -> None:
    device.transport.needs_reset("misbehaviour")


def _spurious_interrupts(device: "Misbehaviour", value: int) -> None:
    device.transport.interrupt(VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG)
    if value > 1:
        device.later(_SPURIOUS_NS, lambda: _spurious_interrupts(device, value - 1))


def _config_changing(device: "Misbehaviour", value: int) -> None:
    device.spoil_reads(value)


def _features_withdrawn(device: "Misbehaviour", value: int) -> None:
    device.transport.withheld |= 1 << value


KINDS = {
    kind.name: kind
    for kind in (
        Kind("silent", "answers nothing, for TIME or for good", Unit.TIME, 0, _silent),
        Kind("late", "looks at the queue TIME later", Unit.TIME, None, _late),
        Kind("out-of-order", "gives a later request back before an earlier one", visit=_out_of_order),
        Kind("wrong-used-length", "says it wrote N bytes", Unit.NUMBER, 0xFFFF_FFFF, _wrong_used_length),
        Kind("used-id-out-of-range", "gives back chain N", Unit.NUMBER, 0xFFFF, _used_id_out_of_range),
        Kind("used-index-out-of-range", "gives back more than it got", visit=_used_index_out_of_range),
        Kind("spurious-interrupts", "N times, for nothing", Unit.NUMBER, 1, event=_spurious_interrupts),
        Kind("config-changing", "under the driver's next N reads", Unit.NUMBER, 8, event=_config_changing),
        Kind("needs-reset", "DEVICE_NEEDS_RESET instead of an answer", event=_needs_reset),
        Kind("needs-reset-after", "the same, with the request carried out", visit=_needs_reset_after),
        Kind("features-withdrawn", "offers bit N no more", Unit.NUMBER, None, event=_features_withdrawn),
    )
}
"""Every fault, by name."""
