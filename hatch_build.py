"""Hatch build hook: compiles firmware and guest with zig, so that the wheel carries both images.

The conformance suite's tests go along, as `hv/conformance/tests`.
"""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GuestImages(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `hv/images/build.py`, the one place that knows how the images are compiled."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the images before the wheel (or the editable install) is put together."""
        if self.target_name != "wheel":
            return
        build = runpy.run_path(str(Path(self.root) / "hv" / "images" / "build.py"))
        build["build_all"](Path(self.root))
        if version != "editable":  # which reads them in their own place
            build_data["force_include"]["tests/conformance"] = "hv/conformance/tests"
