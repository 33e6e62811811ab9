"""The RISC-V hart, on Unicorn: see `hv.cpu.hart`."""

from hv.cpu.hart import Hart
from hv.cpu.stop import HartFault, HartStop

__all__ = ["Hart", "HartFault", "HartStop"]
