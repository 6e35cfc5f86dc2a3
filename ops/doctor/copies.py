"""The copies of what is logged that outlive the droplet."""

from __future__ import annotations

from ops import backup_folder, outside
from ops.doctor.findings import Patient, Skipped, Warned
from ops.ssh import Droplet


def outside_the_droplet(patient: Patient) -> str:
    """The newest one, and how old it is."""
    settings = patient.settings
    if patient.droplet is None:
        if dump := backup_folder.newest(settings):
            age = backup_folder.in_words(dump.age)
            raise Skipped(f"no droplet to ask; the newest here is {age} old: {dump.shown}")
        raise Skipped("needs a running droplet")
    if not patient.reached:
        raise Skipped("needs ssh")
    copy = outside.newest(settings, Droplet(settings, patient.need_droplet()).ask)
    if warning := outside.warning(settings, copy):
        raise Warned(*warning)
    return f"the newest one outside the droplet is {copy}"
