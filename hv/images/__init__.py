"""The two images that the package carries: `firmware.elf` and `guest.elf`, compiled by `hv.images.build`."""

from pathlib import Path

FIRMWARE = Path(__file__).parent / "firmware.elf"
"""The M-mode firmware (source in `firmware/`)."""

GUEST = Path(__file__).parent / "guest.elf"
"""The toy kernel (source in `guest/`)."""
