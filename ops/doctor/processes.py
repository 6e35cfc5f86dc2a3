"""The app's processes on the droplet: as many as it should have, and all of them well."""

from __future__ import annotations

from ops.console.errors import Failed
from ops.console.make import make
from ops.deployment import processes
from ops.doctor.findings import Patient, Skipped, Warned

_ASK = """
sed -n 's/^APP_PROCESSES=//p' /etc/digits/site.env | grep . || echo 1
grep --count '^server .*[0-9];' /etc/nginx/digits-upstream.conf || true
docker ps --quiet --filter label=com.docker.compose.service=app --filter health=unhealthy | wc -l
"""


def are_several(patient: Patient) -> bool:
    """Whether the droplet has, or could have, more than one process."""
    droplet = patient.droplet
    return bool(droplet and (droplet.processors > 1 or patient.settings.scale.app_processes))


def serving(patient: Patient) -> str:
    """As many are in service as the droplet's size and the settings want."""
    host, droplet, deploy = patient.host, patient.droplet, make("deploy")
    if droplet is None:
        raise Skipped("needs a running droplet")
    wanted = processes.wanted(patient.settings.scale, droplet.processors, droplet.memory_mb)
    words = host.ask(_ASK).split()
    if len(words) != 3 or not all(map(str.isdecimal, words)):
        raise Skipped("the droplet does not say")
    is_set, live, ill = map(int, words)
    if is_set != wanted:
        raise Failed(
            f"The droplet is set up for {is_set}, and its size and the settings say {wanted}.",
            deploy,
        )
    if live < wanted:
        raise Failed(f"Only {live} of {wanted} processes of the app are in service.", deploy)
    if ill:
        raise Warned(
            f"{ill} of {wanted} does not answer; the others take its visitors meanwhile.",
            f"It is restarted automatically. If it stays so: {make('logs')}",
        )
    return f"{live} of {wanted} are in service"
