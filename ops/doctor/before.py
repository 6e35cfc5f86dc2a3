"""Which checks a verb makes before it begins; `make doctor` begins with the same."""

from __future__ import annotations

from contextlib import suppress

from ops.console.programs import need
from ops.console.settings import Settings
from ops.doctor import account, machine
from ops.doctor.findings import Patient, Skipped

NOT_READY = "Something is not ready, so nothing was changed."


def this_machine(patient: Patient, *, builds: bool) -> None:
    """The programs, the settings and the SSH key; `builds`: and what an image is built with."""
    patient.check("terraform", machine.terraform)
    patient.check("settings", machine.settings)
    patient.check("ssh", lambda _its: need("ssh"))
    patient.check("ansible", machine.can_run_ansible)
    if builds:
        patient.check("docker", machine.docker_engine)
        patient.check("buildx", machine.buildx)
        patient.check("compose", machine.compose)
    patient.check("ssh key", machine.ssh_key)


def the_token(patient: Patient) -> None:
    """The account, as far as the token goes."""
    patient.check("token", account.token)
    patient.check("scopes", account.scopes)


def what_is_wanted(patient: Patient) -> None:
    """What the settings want: whether it can be had, and what it costs."""
    patient.check("new key", account.key_is_new)
    patient.check("region", account.region)
    patient.check("size", account.size)
    patient.check("backups", account.droplet_backups)
    if patient.settings.scale.several or patient.settings.scale.is_managed:
        from ops.doctor import fleet

        patient.check("in all", fleet.price)
        patient.check("balancer", fleet.https)


def before_deploy(settings: Settings) -> None:
    """Check what `make deploy` needs before it begins. Raises Failed."""
    patient = Patient(settings)
    # An image that is made already needs no engine here.
    this_machine(patient, builds=not settings.release.image)
    the_token(patient)
    patient.check("account", account.nothing_else)
    patient.check("reserved ip", account.reserved_ip)
    what_is_wanted(patient)
    if settings.alerts.email:
        from ops.doctor import alerts

        patient.check("alerts", alerts.price)
    patient.end(NOT_READY)


def before_adopt(settings: Settings) -> None:
    """Check what `make adopt` needs before it begins. Raises Failed."""
    patient = Patient(settings)
    this_machine(patient, builds=False)
    the_token(patient)
    patient.end(NOT_READY)


def key_can_be_added(settings: Settings) -> None:
    """Check that the account takes your SSH key, or has it as the deployment's. Raises Failed."""
    with suppress(Skipped):
        account.key_is_new(Patient(settings, account=True))
