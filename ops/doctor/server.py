"""The deployment: Terraform's state, the droplet, SSH, its room, the page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ops.cloud.api import CONTROL_PANEL
from ops.console.errors import Failed
from ops.console.make import make
from ops.doctor.findings import Patient, Skipped, Warned
from ops.page import site
from ops.ssh import authorized_keys, digits_command
from ops.ssh.connection import Host
from ops.terraform.state import DROPLET, RESERVED_IP

DISK_MB, MEMORY_MB = 1024, 50  # less free than this is a failure
OLD_IMAGE = timedelta(days=30)  # Docker Hub's base images get Debian's fixes about once a month
_LIVE = "docker ps --filter label=com.docker.compose.service=app --format '{{.Image}}' | head -n 1"
# When the image in service was built, what still runs an old version, and whether a reboot waits.
_PATCHED = f"""
docker image inspect --format 'built {{{{.Created}}}}' "$({_LIVE})" 2>/dev/null
! command -v needrestart >/dev/null || needrestart -b -l -r l
[ ! -e /var/run/reboot-required ] || echo reboot
"""


def terraforms_state(patient: Patient) -> str:
    """Terraform's state can be read, and names this droplet."""
    found = patient.deployment.state
    droplets = [resource for resource in found if resource.kind == DROPLET]
    if not found:
        raise Skipped("Terraform has made nothing from here yet")
    if not droplets:
        return f"{len(found)} resources, and no droplet among them"
    return f"{len(found)} resources; the droplet is {droplets[0].name} (id {droplets[0].key})"


def droplet(patient: Patient) -> str:
    """The droplet, as every verb finds it, and no second one."""
    patient.need_account()
    name = patient.deployment.name
    found, tagged = patient.deployment.first, patient.cloud.droplets(name)
    if found is None:
        raise Skipped(f"none with the tag {name} yet: {make('deploy')}")
    if found.status != "active" or not found.ip:
        raise Failed(
            f"The droplet {found.name} is {found.status}.",
            f"If it is not just starting, turn it on: {CONTROL_PANEL}/droplets",
        )
    patient.droplet = found
    mine = {one.key for one in patient.deployment.droplets}
    if others := [other for other in tagged if other.key not in mine]:
        raise Failed(
            f"Yours is {found}, and the tag {name} is on another, too, which costs money "
            f"and stops the pipeline: {'; '.join(map(str, others))}",
            f"Remove the other, or take its tag away: {CONTROL_PANEL}/droplets",
        )
    if not tagged:
        raise Failed(
            f"Yours, {found}, does not carry the tag {name}, by which the pipeline finds it.",
            f"Put it back: {make('deploy')}",
        )
    return f"{found.name} ({found.ip}) is {found.status}"


def address(patient: Patient) -> str:
    """The site's reserved IP is on the droplet."""
    patient.need_droplet()
    there = patient.cloud.reserved_ips()
    on_it = [one.ip for one in there if patient.droplet and one.droplet == patient.droplet.key]
    made = [one.key for one in patient.deployment.state if one.kind == RESERVED_IP]
    if lost := [ip for ip in made if ip not in on_it]:
        if lost[0] in [one.ip for one in there]:
            raise Failed(
                f"The site's address, the reserved IP {lost[0]}, is not on the droplet: nobody "
                "reaches the page there, and on no droplet it costs money.",
                f"Assign it to the droplet again: {CONTROL_PANEL}/networking/reserved_ips",
            )
        raise Failed(
            f"The site's address, the reserved IP {lost[0]}, was given back and is not yours "
            "any more.",
            f"Take another one: {make('deploy')}",
        )
    if not on_it:
        raise Skipped(
            "the droplet has no reserved IP, so the URL would change with the droplet: "
            f"{make('deploy')}"
        )
    idle = ", ".join(one.ip for one in there if one.droplet is None)
    also = f"; on no droplet, and so paid for: {idle}" if idle else ""
    return f"{on_it[0]}, a reserved IP, stays when the droplet is replaced{also}"


def login(patient: Patient) -> str:
    """The droplet accepts the login, and has the pinned host key."""
    if patient.droplet is None:
        raise Skipped("needs a running droplet")
    patient.deployment.host(patient.droplet).ask("true")
    patient.reached = True
    return f"root@{patient.droplet.ip} accepts your login, and its host key is the pinned one"


def access(patient: Patient) -> str:
    """The SSH keys that root accepts, by their comments."""
    keys = authorized_keys.read(patient.host)
    names = [" ".join(words[2:]) or f"one without a name ({words[-1][-12:]})" for words in keys]
    return f"{len(names)} keys are root there: {', '.join(names)} (docs/access.md)"


def room(host: Host) -> str:
    """Free disk and memory on a droplet. Raises Failed."""
    printed = host.ask("df -Pk / && cat /proc/meminfo")
    disk = re.search(r"^\S+ +\d+ +\d+ +(\d+) +\d+% +/$", printed, re.MULTILINE)
    memory = re.search(r"^MemAvailable: +(\d+) kB", printed, re.MULTILINE)
    if not (disk and memory):
        raise Skipped("the droplet does not say")
    disk_mb, memory_mb = int(disk[1]) // 1024, int(memory[1]) // 1024
    if disk_mb < DISK_MB:
        raise Failed(
            f"Only {disk_mb} MB of the droplet's disk are free.",
            f"See what fills it: ssh root@{host.ip} "
            "'du -xh --max-depth=3 / | sort -h | tail -n 20'",
        )
    if memory_mb < MEMORY_MB:
        raise Failed(
            f"Only {memory_mb} MB of the droplet's memory are free.",
            f"Give it more: export TF_VAR_size=s-1vcpu-2gb, then {make('deploy')}",
        )
    return f"{disk_mb} MB of disk and {memory_mb} MB of memory are free"


def patched(host: Host) -> str:
    """What runs on a droplet is what its packages and base images have fixed. Raises Warned."""
    printed = host.ask(_PATCHED)
    built = re.search(r"^built (\S{19})", printed, re.MULTILINE)
    old = re.findall(r"^NEEDRESTART-SVC: (\S+)$", printed, re.MULTILINE)
    if old or "reboot" in printed.split():
        raise Warned(
            f"Packages were upgraded, and services still run an old version: {', '.join(old)}."
            if old
            else "Packages were upgraded, and a reboot waits.",
            f"Restart what needs it: {make('patch')}",
        )
    if not built:
        return "every service runs the newest version that is installed"
    age = datetime.now(UTC) - datetime.fromisoformat(built[1]).replace(tzinfo=UTC)
    if age > OLD_IMAGE:
        raise Warned(
            f"The image in service is {age.days} days old: what its base image has fixed since is "
            "not in it.",
            f"Build it again: {make('release')}, or a push to main",
        )
    return (
        "every service runs the newest version that is installed; the image in service is "
        f"{age.days} days old"
    )


def page(patient: Patient) -> str:
    """The app answers from outside."""
    patient.need_droplet()
    address = f"{patient.deployment.url}/_stcore/health"
    try:
        answer = site.answer(address, site.trust(patient.settings.site)).strip()
    except OSError as error:
        answer = str(getattr(error, "reason", error))
    if answer != "ok":
        raise Failed(f"{address} does not answer as the app does: {answer}", make("deploy"))
    return f"{address} says ok"


def certificate(patient: Patient) -> str:
    """The certificate is one that a browser takes, and is renewed in time."""
    patient.need_droplet()
    where = patient.deployment.url
    see = f"See why: {make('status')}"
    try:
        found = site.certificate(patient.settings.site, where)
    except OSError as error:
        raise Failed(f"A browser refuses the certificate of {where}: {error}", see) from error
    if found and found.is_low:
        raise Failed(f"It should have been renewed: {found}", see)
    if found:
        return str(found)
    if patient.deployment.balancer:
        raise Skipped("the load balancer speaks HTTP")
    printed = patient.host.ask(digits_command.line("certificate", "status", "--json"))
    status = digits_command.values_of(printed) or {}
    if not status.get("wanted", True):
        raise Skipped(status["text"])
    raise Failed(status.get("text", "the droplet does not tell"), *(status.get("problem") or [see]))
