"""What a verb checks before it begins."""

from __future__ import annotations

from contextlib import suppress

from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.doctor import account, addresses, machine
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
    patient.check("backups", account.droplet_backups)
    if settings.scale.several or settings.scale.is_managed:
        from ops.doctor import fleet

        patient.check("in all", fleet.price)
        patient.check("balancer", fleet.https)
    if settings.alerts.email:
        from ops.doctor import alerts

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
