"""The backups that are not on the droplet."""

from __future__ import annotations

from ops.backup import dumps, freshness
from ops.doctor.findings import Patient, Skipped, Warned


def newest(patient: Patient) -> str:
    """The newest one, and how old it is."""
    folder = dumps.folder_of(patient.settings.backups, patient.deployment.name)
    if patient.droplet is None:
        if dump := dumps.newest(folder):
            age = dumps.age_text(dump.age)
            raise Skipped(f"no droplet to ask; the newest here is {age} old: {dump.shown}")
        raise Skipped("needs a running droplet")
    if not patient.reached:
        raise Skipped("needs ssh")
    copy = freshness.newest(folder, patient.host.ask)
    if warning := freshness.warning(copy):
        raise Warned(*warning)
    return f"the newest one that is not on the droplet is {copy}"
