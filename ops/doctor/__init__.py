"""Looks at everything a deployment needs and has, and changes nothing.

One line a finding: ok, warn or FAIL with its one fix, or skip with its reason.
"""

from __future__ import annotations

from contextlib import suppress

from ops.console.errors import AlreadyPrinted, Failed
from ops.console.settings import Settings
from ops.doctor import (
    account,
    addresses,
    alerts,
    backups,
    droplets,
    fleet,
    machine,
    pipeline,
    processes,
    server,
)
from ops.doctor.findings import Patient, Skipped


def before_deploy(settings: Settings) -> None:
    """Check what `make deploy` needs before it begins. Raises Failed."""
    patient = Patient(settings)
    patient.check("terraform", machine.terraform)
    patient.check("settings", machine.settings)
    patient.check("ssh", machine.ssh_client)
    patient.check("ansible", machine.can_run_ansible)
    if not settings.release.image:  # an image that is made already needs no engine here
        patient.check("docker", machine.docker_engine)
        patient.check("buildx", machine.buildx)
        patient.check("compose", machine.compose)
    patient.check("ssh key", machine.ssh_key)
    patient.check("token", account.token)
    patient.check("scopes", account.scopes)
    patient.check("account", account.nothing_else)
    patient.check("new key", account.key_is_new)
    if addresses.are_too_few(patient):
        patient.check("address", addresses.refuse)
    patient.check("region", account.region)
    patient.check("size", account.size)
    patient.check("backups", backups.of_the_droplet)
    if fleet.is_asked_for(patient):
        patient.check("in all", fleet.price)
        patient.check("balancer", fleet.https)
    if settings.alerts.email:
        patient.check("alerts", alerts.price)
    _stop_if_anything_failed(patient)


def _stop_if_anything_failed(patient: Patient) -> None:
    if patient.failures:
        raise Failed(
            "Something is not ready, so nothing was changed.",
            "Fix each FAIL above as its line says, then run the same command again.",
        )


def before_adopt(settings: Settings) -> None:
    """Check what `make adopt` needs before it begins. Raises Failed."""
    patient = Patient(settings)
    patient.check("terraform", machine.terraform)
    patient.check("settings", machine.settings)
    patient.check("ssh", machine.ssh_client)
    patient.check("ssh key", machine.ssh_key)
    patient.check("token", account.token)
    patient.check("scopes", account.scopes)
    _stop_if_anything_failed(patient)


def key_can_be_added(settings: Settings) -> None:
    """Check that the account takes your SSH key, or has it as the deployment's. Raises Failed."""
    with suppress(Skipped):
        account.key_is_new(Patient(settings, account=True))


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
    patient.check("backups", backups.of_the_droplet)
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
