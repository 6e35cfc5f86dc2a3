"""The droplets of a fleet: each is reachable, has room and visitors, and the same version."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ops.cloud.api import CONTROL_PANEL, ON, Droplet
from ops.console.errors import Failed
from ops.console.make import make
from ops.deployment import fleet
from ops.doctor import processes, server
from ops.doctor.findings import Patient, Skipped, Warned
from ops.ssh import digits_command

# The balancer's health check, and why the droplet fails it on purpose.
_IS_ASKED = (
    "curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "
    "http://127.0.0.1/ready || true; "
    "[ ! -e /run/digits-drained ] || echo ' drained'; [ ! -e /run/digits-booted ] || echo ' booted'"
)


def others(patient: Patient) -> list[Droplet]:
    """All but the first."""
    return patient.deployment.droplets[1:] if patient.droplet else []


def check(patient: Patient) -> None:
    """Make the checks of several droplets, a line for each; of one there are none."""
    beside = others(patient)
    for one in beside:
        patient.check(one.name, partial(_one, droplet=one))
    if beside and patient.droplet:
        there = [patient.droplet, *beside]
        patient.check("visitors", partial(_get_visitors, there=there))
        patient.check("release", partial(_same_version, there=there))


def _one(patient: Patient, droplet: Droplet) -> str:
    """One of the others: it is on, accepts the login, and has room."""
    if droplet.is_off:
        raise Failed(
            f"{droplet.name} is turned off: it has no visitors, and costs the same.",
            f"Turn it on: {make('deploy')}",
        )
    if droplet.status != ON or not droplet.ip:
        raise Failed(
            f"The droplet {droplet.name} is {droplet.status}.",
            f"See what it does: {CONTROL_PANEL}/droplets/{droplet.key}",
        )
    host = patient.deployment.host(droplet)
    host.ask("true")
    found = [f"root@{droplet.ip} accepts your login", server.room(host)]
    itself = replace(patient, droplet=droplet, reached=True)
    if processes.are_several(itself):
        found.append(processes.serving(itself))
    found.append(server.patched(host))
    return "; ".join(found)


def _asked(patient: Patient, there: list[Droplet], what: str) -> dict[str, str]:
    """What each droplet that answers prints, by its name."""
    answers = {}
    for one in there:
        if one.ip and not one.is_off:
            try:
                answers[one.name] = patient.deployment.host(one).ask(what).strip()
            except Failed:
                continue  # its own line says why
    return answers


def _get_visitors(patient: Patient, there: list[Droplet]) -> str:
    """The balancer knows each droplet, and each answers as it has to."""
    cloud, name = patient.cloud, patient.deployment.name
    before = [one for one in cloud.listed("load_balancers", "load_balancers") if one["tag"] == name]
    if not before:
        raise Failed("No load balancer stands before the droplets.", make("deploy"))
    if before[0]["status"] != "active":
        raise Warned(
            f"The load balancer is {before[0]['status']}.",
            f"See what it does: {CONTROL_PANEL}/networking/load_balancers/{before[0]['id']}",
        )
    known = set(map(str, before[0].get("droplet_ids") or []))
    if lost := [one.name for one in there if one.key not in known]:
        raise Failed(
            f"The load balancer does not know {', '.join(lost)}: the tag {name} is missing there.",
            f"Put it back: {make('deploy')}",
        )
    answers = _asked(patient, there, _IS_ASKED)
    out = {one: _why_not(words) for one, words in answers.items() if words != "200"}
    if out:
        raise Failed(
            "No visitors from the load balancer for "
            f"{'; '.join(f'{one}: {why}' for one, why in out.items())}.",
            f"If nobody is working on it now: {make('release')}",
        )
    return f"{' and '.join(answers) or 'none'} would take what the load balancer sends"


def _why_not(words: str) -> str:
    if "drained" in words:
        return "it is drained (/run/digits-drained)"
    if "booted" in words:
        return "since its boot it waits until it has the others' version in service"
    return f"/ready answers {words or 'nothing'}"


def _same_version(patient: Patient, there: list[Droplet]) -> str:
    """All have the same version in service."""
    printed = _asked(patient, there, digits_command.line("releases", "--json"))
    found = {name: digits_command.live_of(text) for name, text in printed.items()}
    live_ids = {name: str(live["id"]) for name, live in found.items() if live}
    if different := fleet.different_versions(live_ids):
        raise Failed(
            f"The droplets have different versions in service: {different}.",
            f"Release one to all: {make('release')}",
        )
    if not live_ids:
        raise Skipped("nothing is in service yet")
    return f"{' and '.join(live_ids)} have the same version in service"
