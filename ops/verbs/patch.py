"""make patch: newer packages, and a reboot where one is needed, droplet after droplet.

The order of events on a droplet is infra/ansible/roles/patch's; here is what is printed and asked
before. Behind a load balancer each is drained first, so that no visitor notices.
"""

from __future__ import annotations

import re

from ops.backup import local_backup
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.deployment.lookup import Deployment
from ops.provision import ansible
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable

# How many packages are newer, what still runs an old version, and whether a reboot waits. Nothing
# is changed by it.
_WAITS = (
    "apt-get -qq update && apt-get -qq --simulate dist-upgrade | grep --count '^Inst'; "
    "needrestart -b -l -r l; "
    "[ ! -e /var/run/reboot-required ] || echo reboot"
)


def run(settings: Settings, _arguments: list[str]) -> None:
    """See what waits, ask if the page will be away, and do it. Raises Failed."""
    deployment = lookup.find(settings)
    there = fleet.need_all(deployment)
    for host in there:
        # The health path, and what waits for the others after a boot.
        ansible.set_up_if_changed(settings, host)
    terminal.phase("What waits")
    if not _print_what_waits(there):
        terminal.done("Nothing to do: every package is up to date, and nothing waits for a reboot.")
        return
    # With one droplet, no other takes the visitors meanwhile.
    balancer = deployment.balancer if len(there) > 1 else None
    notice = balancer.seconds_to_notice if balancer else 0
    if not notice:
        question = "If that needs a reboot, the page is away for about a minute. Go on?"
        terminal.confirm(question, "yes", settings.consent.confirm)
    local_backup.bring_newest(settings.backups, deployment.name, there[0])

    terminal.phase("Ansible: upgrade, and reboot where it is needed")
    if not ansible.patch(settings, notice):
        raise _incomplete(deployment, there)
    terminal.line()
    terminal.done("Patched: every package is up to date, and the page is live.")


def _print_what_waits(there: list[Host]) -> bool:
    """A line for each droplet; whether anything waits on any. Raises Failed."""
    found = False
    for one in there:
        printed = one.must(_WAITS)
        count = re.search(r"^\d+$", printed, re.MULTILINE)
        if count is None:
            raise Failed(
                "The droplet could not say which packages are newer; its reason is above.",
                f"Fix it, then run the same command again. Its shell: ssh root@{one.ip}",
            )
        number, reboots = int(count[0]), "reboot" in printed.split()
        old = re.findall(r"^NEEDRESTART-SVC: (\S+)$", printed, re.MULTILINE)
        packages = f"{number} package{'' if number == 1 else 's'} to upgrade"
        name = f"{one.name}: " if len(there) > 1 else ""
        runs = f"; services still run an old version: {', '.join(old)}" if old else ""
        terminal.line(f"{name}{packages}{', and a reboot waits' if reboots else ''}{runs}")
        found = found or number > 0 or reboots or bool(old)
    return found


def _incomplete(deployment: Deployment, there: list[Host]) -> Failed:
    """What is to be done about the droplet that it stopped at."""
    again = "Then run the same command again: it goes on where it stopped."
    keys = {one.ip: one.key for one in deployment.reachable}
    for one in there:
        try:
            one.ask("true")
        except Unreachable as error:
            what = f"The droplet {one.name or one.ip} did not come back: {error.what}."
            console = f"See its console: {CONTROL_PANEL}/droplets/{keys[one.ip]}/access."
            if len(there) == 1:
                return Failed(what, f"{console} {again}")
            return Failed(
                f"{what} The others are live, and those after it were not touched.",
                f"{console} If it is lost, remove it there: {make('deploy')} makes a new "
                f"one. {again}",
            )
    return Failed(
        "Not all of it was done; what Ansible could not do is above, and nothing was started after "
        "that.",
        f"See what is live: {make('status')}. {again}",
    )
