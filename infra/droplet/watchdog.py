"""Restart what is up but has stopped answering: every ten seconds (digits-watchdog.timer).

Docker itself only restarts what has ended; a container that fails its health check it leaves.
"""

from __future__ import annotations

from droplet import alerts, database, history, lock, processes
from droplet.docker import Container
from droplet.host import Host
from droplet.recover import after_a_kill

OFTEN, RECENT = 3, 600  # restarts, and seconds since the last one, that make an alert
# A page within twelve seconds, which is longer than the health check waits: an app that is only
# slow, in a crowd, would be slower still after a restart.
_PAGE = (
    "import urllib.request as u; "
    "u.urlopen('http://127.0.0.1:8501/_stcore/script-health-check', timeout=12)"
)


def run(host: Host) -> None:
    """Look once, and restart what hangs."""
    after_a_kill(host)
    busy = lock.is_held(host)
    live = history.live(host)
    apps = list(processes.of_release(host, live).values()) if live else []
    for one in apps:
        if one.health == "unhealthy" and _hangs(host, one):
            host.console.say("The app does not answer; it is restarted.")
            host.docker.restart(one.id, seconds=2)
    running = database.container(host)
    _note(host, "app-restarts", any(_keeps_ending(host, one) for one in apps))
    _note(host, "database-restarts", bool(running and _keeps_ending(host, running)))
    # Docker restarts one that ended by itself, but not after docker kill or docker stop. Somebody
    # stopped it then: it stays stopped, and that is noted. A release stops it for some seconds.
    if not busy:
        _note(host, "database-stopped", bool(live and not running))
        _start_nginx(host)
    if running and running.health == "unhealthy" and not host.postgres.answers(running.id):
        host.console.say("The database does not answer; it is restarted.")
        host.docker.restart(running.id, seconds=10)


def _hangs(host: Host, app: Container) -> bool:
    return not host.docker.execute(app.id, "python", "-c", _PAGE, timeout=20).ok


def _keeps_ending(host: Host, one: Container) -> bool:
    """Whether Docker has restarted it three times, and again just now."""
    return one.restarts >= OFTEN and host.clock.now() - one.started < RECENT


def _start_nginx(host: Host) -> None:
    """Nginx was stopped, or could not start: nobody reaches the page."""
    if not host.systemd.is_active("nginx"):
        host.console.say("nginx does not run; it is started.")
        host.systemd.start("nginx")


def _note(host: Host, name: str, is_so: bool) -> None:
    if is_so:
        alerts.begin(host, name)
    else:
        alerts.end(host, name)
