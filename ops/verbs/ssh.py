"""make ssh: a shell on the droplet; `python -m ops ssh COMMAND` runs one there.

Of several droplets, DROPLET says which; else it is the first.
"""

from __future__ import annotations

from ops import backups, fleet
from ops.settings import Settings


def run(settings: Settings, arguments: list[str]) -> None:
    """Let the person in. Raises Failed, also if the last command there failed."""
    droplet = fleet.chosen(settings)
    backups.bring_newest(settings, droplet)
    droplet.show(" ".join(arguments))
