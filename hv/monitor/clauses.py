"""Which clauses for drivers are watched, by whom and how, and why others are not (virtio 1.4)."""

from hv.monitor.area import Area
from hv.monitor.buffers import Buffers
from hv.monitor.configspace import ConfigurationSpace
from hv.monitor.discovery import Discovery
from hv.monitor.features import Features
from hv.monitor.hinting import Hinting
from hv.monitor.initialization import Initialization
from hv.monitor.interrupts import Interrupts
from hv.monitor.legacy import Legacy
from hv.monitor.notifications import Notifications
from hv.monitor.pages import BalloonPages
from hv.monitor.poison import Poison
from hv.monitor.queues import Queues
from hv.monitor.registers import Registers
from hv.monitor.reporting import Reporting
from hv.monitor.statistics import Statistics
from hv.monitor.suspend import Suspend

AREAS: tuple[type[Area], ...] = (
    Discovery,
    Registers,
    Initialization,
    Features,
    ConfigurationSpace,
    Queues,
    Buffers,
    Notifications,
    Interrupts,
    Suspend,
    Legacy,
    BalloonPages,
    Statistics,
    Hinting,
    Poison,
    Reporting,
)
"""Every area; each clause is judged in one of them."""

WATCHED: dict[str, str] = {clause: how for area in AREAS for clause, how in sorted(area.CLAUSES.items())}
"""How each watched clause is seen, by id."""

_INSIDE = "what the driver does with it stays inside the guest"
_FAULTY = "only a device that misbehaves shows it"

NOT_WATCHED: dict[str, str] = {
    "C004": f"{_FAULTY}: one that breaks down with requests under way",
    "C016": f"{_FAULTY}: one that withholds a feature that the driver knows",
    "C017": f"{_FAULTY}: one that withholds a feature that the driver needs",
    "C018": f"{_FAULTY}: one that offers what nobody knows",
    "C036": f"whether fields read one after another are taken for one moment's: {_INSIDE}",
    "C039": "virtio over MMIO has no register for the size of the configuration space",
    "C040": "virtio over MMIO has no register for the size of the configuration space",
    "C064": f"{_FAULTY}: one that refuses what the driver cannot do without",
    "C093": "no machine here has an IOMMU",
    "C097": "barriers have no effect that a host sees: the hart and its devices take turns",
    "C144": f"{_FAULTY}: one that interrupts for nothing",
    "C154": f"bytes of a buffer behind the used length: {_INSIDE}",
    "C155": f"bytes of a buffer behind the used length: {_INSIDE}",
    "C171": "barriers have no effect that a host sees: the hart and its devices take turns",
    "C173": "barriers have no effect that a host sees: the hart and its devices take turns",
    "C196": "an error message is the guest's own affair; that the slot is left alone is C195",
    "C198": "an error message is the guest's own affair; that the slot is left alone is C197",
    "C200": "an error message is the guest's own affair; that the slot is left alone is C199",
    "C207": f"{_FAULTY}: one that shows undefined bits of InterruptStatus, and does not interrupt for them",
    "C220": f"which queues an interrupt handler looks at: {_INSIDE}",
    "C244": f"{_FAULTY}: one that writes odd used lengths",
    "C269": f"what the driver keeps of its own pages: {_INSIDE}",
    "C287": "whether touching a page was necessary, only the driver knows",
}
"""Why a clause cannot be watched from outside, by id."""
