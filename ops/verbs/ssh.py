"""make ssh: a shell on the droplet; `python -m ops ssh COMMAND` runs one there.

Of several droplets, DROPLET says which; else it is the first.
"""

from __future__ import annotations

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import fleet


def run(settings: Settings, arguments: list[str]) -> None:
    """Let the person in. Raises Failed, also if the last command there failed."""
    droplet = fleet.chosen(settings)
    local_backup.bring_newest(settings, droplet)
    droplet.show(" ".join(arguments))
