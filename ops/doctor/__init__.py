"""Looks at everything a deployment needs and has, and changes nothing.

One line a finding: ok, warn or FAIL with its one fix, or skip with its reason.
"""

from __future__ import annotations

from ops.doctor import account, copies, machine, pipeline, server
from ops.doctor.findings import Patient
from ops.errors import Failed, SaidAlready
from ops.settings import Settings


def before_deploy(settings: Settings) -> None:
    """Check what `make deploy` needs before it begins. Raises Failed."""
    patient = Patient(settings)
    patient.check("terraform", machine.terraform)
    patient.check("ssh", machine.ssh_client)
    if not settings.image:  # an image that is made already needs no engine here
        patient.check("docker", machine.docker_engine)
        patient.check("compose", machine.compose)
    patient.check("ssh key", machine.ssh_key)
    patient.check("token", account.token)
    patient.check("scopes", account.scopes)
    patient.check("account", account.nothing_else)
    patient.check("new key", account.key_is_new)
    patient.check("region", account.region)
    patient.check("size", account.size)
    patient.check("backups", copies.of_the_droplet)
    if patient.failures:
        raise Failed(
            "Something is not ready, so nothing was changed.",
            "Mend each FAIL above as its line says, then run the same command again.",
        )


def everything(settings: Settings) -> None:
    """Check it all. Raises SaidAlready if anything failed."""
    patient = Patient(settings)
    patient.check("terraform", machine.terraform)
    patient.check("ssh", machine.ssh_client)
    patient.check("git", machine.git)
    patient.check("docker", machine.docker_engine)
    patient.check("compose", machine.compose)
    patient.check("ssh key", machine.ssh_key)
    patient.check("token", account.token)
    patient.check("scopes", account.scopes)
    patient.check("new key", account.key_is_new)
    patient.check("region", account.region)
    patient.check("size", account.size)
    patient.check("backups", copies.of_the_droplet)
    patient.check("state", server.terraforms_state)
    patient.check("droplet", server.droplet)
    patient.check("address", server.address)
    patient.check("login", server.login)
    patient.check("room", server.room)
    patient.check("copies", copies.outside_the_droplet)
    patient.check("page", server.page)
    patient.check("certificate", server.certificate)
    patient.check("secrets", pipeline.secrets)
    patient.check("pipeline", pipeline.knows_the_droplet)
    if patient.failures:
        raise SaidAlready
