"""The droplet's memory."""

from __future__ import annotations

import re
from pathlib import Path


class Memory:
    """What /proc/meminfo tells, in MB."""

    def available_mb(self) -> int:
        """What programs may still use."""
        return self.figures()["MemAvailable"]

    def figures(self) -> dict[str, int]:
        """All that it tells: MemTotal, MemAvailable, SwapTotal, SwapFree and others."""
        text = Path("/proc/meminfo").read_text()
        found = re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)
        return {name: int(kilobytes) // 1000 for name, kilobytes in found}
