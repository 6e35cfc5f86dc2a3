"""What the tests of the droplet's package share."""

from __future__ import annotations

from droplet import disk

disk.RESERVE = 150_000  # which is faster to write, and enough for a container of the model
