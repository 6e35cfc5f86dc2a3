"""All checks of `make doctor`, in their order."""

from __future__ import annotations

from ops.console.errors import AlreadyPrinted
from ops.console.settings import Settings
from ops.doctor import (
    account,
    alerts,
    backups,
    droplets,
    fleet,
    machine,
    pipeline,
    processes,
    server,
)
from ops.doctor.findings import Patient


def everything(settings: Settings) -> None:
    """Check it all. Raises AlreadyPrinted if anything failed."""
    patient = Patient(settings)
    patient.check("terraform", machine.terraform)
    patient.check("settings", machine.settings)
    patient.check("ssh", machine.ssh_client)
    patient.check("ansible", machine.can_run_ansible)
    patient.check("git", machine.git)
    patient.check("docker", machine.docker_engine)
    patient.check("buildx", machine.buildx)
    patient.check("compose", machine.compose)
    patient.check("ssh key", machine.ssh_key)
    patient.check("token", account.token)
    patient.check("scopes", account.scopes)
    patient.check("new key", account.key_is_new)
    patient.check("region", account.region)
    patient.check("size", account.size)
    patient.check("backups", account.droplet_backups)
    if fleet.is_asked_for(patient):
        patient.check("in all", fleet.price)
        patient.check("balancer", fleet.https)
    patient.check("state", server.terraforms_state)
    patient.check("droplet", server.droplet)
    patient.check("address", server.address)
    patient.check("login", server.login)
    patient.check("access", server.access)
    patient.check("room", server.room)
    patient.check("patched", server.patched)
    if processes.are_several(patient):
        patient.check("processes", processes.serving)
    droplets.check(patient)
    patient.check("backup age", backups.newest)
    patient.check("page", server.page)
    patient.check("certificate", server.certificate)
    patient.check("uptime", alerts.uptime)
    patient.check("secrets", pipeline.secrets)
    patient.check("pipeline", pipeline.knows_the_droplet)
    if patient.failures:
        raise AlreadyPrinted
