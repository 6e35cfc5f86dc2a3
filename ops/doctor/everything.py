"""All checks of `make doctor`, in their order."""

from __future__ import annotations

from ops.console.programs import need
from ops.console.settings import Settings
from ops.doctor import (
    alerts,
    backups,
    before,
    droplets,
    pipeline,
    processes,
    server,
)
from ops.doctor.findings import Patient


def everything(settings: Settings) -> None:
    """Check it all. Raises Failed if anything failed."""
    patient = Patient(settings)
    before.this_machine(patient, builds=True)
    patient.check("git", lambda _its: need("git"))
    before.the_token(patient)
    before.what_is_wanted(patient)
    patient.check("state", server.terraforms_state)
    patient.check("droplet", server.droplet)
    patient.check("address", server.address)
    patient.check("login", server.login)
    patient.check("access", server.access)
    patient.check("room", lambda its: server.room(its.host))
    patient.check("patched", lambda its: server.patched(its.host))
    if processes.are_several(patient):
        patient.check("processes", processes.serving)
    droplets.check(patient)
    patient.check("backup age", backups.newest)
    patient.check("page", server.page)
    patient.check("certificate", server.certificate)
    patient.check("uptime", alerts.uptime)
    patient.check("secrets", pipeline.secrets)
    patient.check("pipeline", pipeline.knows_the_droplet)
    patient.end("Not everything is as it should be.")
