"""make patch: newer packages, and a reboot where one is needed, droplet after droplet.

The order of events on a droplet is infra/ansible/roles/patch's; here is what is said and asked
before. Behind a load balancer each is drained first, so that no visitor notices.
"""

from __future__ import annotations

import re

from ops.backup import local_backup
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.deployment.fleet import Member
from ops.provision import ansible
from ops.ssh.errors import Unreachable
from ops.verbs import release

# How many packages are newer, what still runs an old version, and whether a reboot waits. Nothing
# is changed by it.
_WAITS = (
    "apt-get -qq update && apt-get -qq --simulate dist-upgrade | grep --count '^Inst'; "
    "needrestart -b -l -r l; "
    "[ ! -e /var/run/reboot-required ] || echo reboot"
)


def run(settings: Settings, _arguments: list[str]) -> None:
    """See what waits, ask if the page will be away, and do it. Raises Failed."""
    there = fleet.need_all(settings, fleet.members(settings))
    for one in there:
        # The health path, and what waits for the others after a boot.
        release.set_up_what_changed(settings, one.droplet)
    terminal.phase("What waits")
    if not _say_what_waits(there):
        terminal.done("Nothing to do: every package is up to date, and nothing waits for a reboot.")
        return
    notice = _seconds_to_notice(settings, there)
    if not notice:
        _ask(settings)
    local_backup.bring_newest(settings, there[0].droplet)

    terminal.phase("Ansible: upgrade, and reboot where it is needed")
    if not ansible.patch(settings, notice):
        raise _not_to_its_end(settings, there)
    terminal.line()
    terminal.done("Patched: every package is up to date, and the page serves.")


def _say_what_waits(there: list[Member]) -> bool:
    """A line for each droplet; whether anything waits on any. Raises Failed."""
    found = False
    for one in there:
        said = one.droplet.must(_WAITS)
        count = re.search(r"^\d+$", said, re.MULTILINE)
        if count is None:
            raise Failed(
                "The droplet could not say which packages are newer; its reason is above.",
                f"Mend it, then run the same command again. Its shell: {_ssh(one)}",
            )
        number, reboots = int(count[0]), "reboot" in said.split()
        old = re.findall(r"^NEEDRESTART-SVC: (\S+)$", said, re.MULTILINE)
        packages = f"{number} package{'' if number == 1 else 's'} to upgrade"
        name = f"{one.name}: " if len(there) > 1 else ""
        runs = f"; services still run an old version: {', '.join(old)}" if old else ""
        terminal.line(f"{name}{packages}{', and a reboot waits' if reboots else ''}{runs}")
        found = found or number > 0 or reboots or bool(old)
    return found


def _ssh(one: Member) -> str:
    return f"ssh root@{one.droplet.ip}"


def _seconds_to_notice(settings: Settings, there: list[Member]) -> int:
    """What the balancer needs to notice; 0 where another droplet could not serve meanwhile."""
    first = lookup.find(settings) if len(there) > 1 else None
    before = lookup.balancer(settings, first) if first else None
    return before.seconds_to_notice if before else 0


def _ask(settings: Settings) -> None:
    """Go on only if the page may be away. Raises Failed."""
    question = "If that needs a reboot, the page is away for about a minute. Go on? Type yes: "
    answer = settings.confirm or terminal.ask(question)
    if answer is None:
        raise Failed(
            "If that needs a reboot, the page is away for about a minute, and nobody is there to "
            "be asked. Nothing was changed.",
            f"If it may be: {settings.verb('patch CONFIRM=yes')}",
        )
    if answer != "yes":
        raise Failed("Nothing was changed.")


def _not_to_its_end(settings: Settings, there: list[Member]) -> Failed:
    """What is to be done about the droplet that it stopped at."""
    again = "Then run the same command again: it goes on where it stopped."
    for one in there:
        try:
            one.droplet.ask("true")
        except Unreachable as trouble:
            what = f"The droplet {one.name or one.droplet.ip} did not come back: {trouble.what}."
            console = f"See its console: {CONTROL_PANEL}/droplets/{one.key}/access."
            if len(there) == 1:
                return Failed(what, f"{console} {again}")
            return Failed(
                f"{what} The others serve, and those after it were not touched.",
                f"{console} If it is lost, remove it there: {settings.verb('deploy')} makes a new "
                f"one. {again}",
            )
    return Failed(
        "Not all of it was done; what Ansible could not do is above, and nothing was begun after "
        "that.",
        f"See what serves: {settings.verb('status')}. {again}",
    )
