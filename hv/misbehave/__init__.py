"""Devices that misbehave on purpose, for those who write drivers.

A `Misbehaviour` stands around one good device and its transport, and lets the device do what it should, but
for the faults that were asked for: at the n-th request, or at a virtual time. What goes wrong is one row of
a table (`faults.KINDS`), the same for every device. So a driver meets each of them on its way, in a machine
where everything else is right, and meets it again at the same moment in the next run.
"""

from hv.misbehave.around import Misbehaviour
from hv.misbehave.faults import KINDS, Fault, Kind
from hv.misbehave.text import fault

__all__ = ["KINDS", "Fault", "Kind", "Misbehaviour", "fault"]
