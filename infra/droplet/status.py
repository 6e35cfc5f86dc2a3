"""What is live, since when, and how the droplet is; and the list of releases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from droplet import alerts, certificate, database, history, lock, offsite, processes
from droplet.console import Stop, count
from droplet.docker import Container
from droplet.host import Host
from droplet.postgres import SqlError
from droplet.recover import after_a_kill
from droplet.site import MANAGED

BACKUPS = "/var/backups/digits"


def run(host: Host, *, quiet: bool = False) -> dict[str, Any]:
    """Print the report, unless quiet; what is live, as values."""
    after_a_kill(host)
    live = history.live(host)
    there = processes.of_release(host, live) if live else {}
    if not quiet:
        for name, text in _lines(host, there):
            host.console.say(f"{name:<12} {text}")
    return {
        "live": asdict(live) if live else None,
        "processes": len(there),
        "wanted": host.site.processes,
        "route": list(host.nginx.route().ports),
    }


def releases(host: Host, *, quiet: bool = False) -> dict[str, Any]:
    """Print the list, the newest last; * marks the live one. Raises Stop if there is none."""
    after_a_kill(host)
    found = history.read(host)
    if not quiet:
        _print_releases(host, found)
    running = (lock.holder(host) or "Another command") if lock.is_held(host) else ""
    return {"releases": [asdict(one) for one in found], "running": str(running)}


def _print_releases(host: Host, found: list[history.Release]) -> None:
    if not found:
        raise Stop(
            "Nothing has been released yet.", f"Release something: {host.console.make('deploy')}"
        )
    here = {one.id for one in host.docker.images()}
    here |= {name for one in host.docker.images() for name in one.names}
    rows = [("", "WHEN", "HOW", "COMMIT", "BY", "ID", "IMAGE")]
    for one in found:
        mark = "*" if one is found[-1] else ""
        gone = "" if one.id in here else "  (removed)"
        rows.append((mark, one.when, one.how, one.commit, one.by, one.short, f"{one.name}{gone}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = 1
    for row in rows:
        line = f"{row[0]:<1} " + "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)
        )
        host.console.say(line.rstrip())
    if lock.is_held(host):
        host.console.say(f"{lock.holder(host) or 'Another command'} is running.")


def _lines(host: Host, there: dict[int, Container]) -> Iterator[tuple[str, str]]:
    yield from _of_the_release(host, there)
    yield from _of_the_database(host)
    nginx = "active" if host.systemd.is_active("nginx") else "not running: it is started again"
    yield "nginx", nginx
    yield "certificate", " ".join(certificate.describe(host))
    yield from _of_the_machine(host)
    newest = newest_backup(host)
    if not newest and not host.systemd.is_enabled("digits-backup.timer"):
        newest = "another droplet makes them"
    yield "last backup", newest or f"none yet: {host.console.make('backup')}"
    yield from offsite.status_lines(host)
    for _, since, sentence in alerts.listed(host):
        yield "alert", f"since {since}: {sentence}"
    if host.disk.exists("/run/reboot-required"):
        yield "reboot", f"an update waits for a reboot: {host.console.make('patch')}"
    if host.disk.exists("/run/digits-drained"):
        yield "visitors", "none from the load balancer: it is worked on"
    if host.disk.exists("/run/digits-booted"):
        yield (
            "visitors",
            "none from the load balancer since its boot, until it has the release of the others",
        )
    if lock.is_held(host):
        yield "busy", f"{lock.holder(host) or 'Another command'} is running"


def _of_the_release(host: Host, there: dict[int, Container]) -> Iterator[tuple[str, str]]:
    live, wanted, deploy = history.live(host), host.site.processes, host.console.make("deploy")
    if not live or not there:
        yield "release", f"nothing is live: {deploy}"
        return
    how = "gone back to" if live.how == "rollback" else "released"
    yield "release", f"{live.name}, {how} {live.when} by {live.by}, commit {live.commit}"
    for number, port in enumerate(sorted(there), start=1):
        which = f"app {number} of {len(live.ports)}" if len(live.ports) > 1 else "app"
        one = there[port]
        yield which, f"{host.docker.uptime(one.id)}, {host.docker.stats(one.id)}"
    if len(there) < wanted:
        yield "app", f"{len(there)} of {wanted} processes are live; the others come with: {deploy}"


def _of_the_database(host: Host) -> Iterator[tuple[str, str]]:
    running = database.container(host)
    if database.live(host) == MANAGED:
        yield "database", describe_managed(host)
        return
    if not running:
        yield "database", f"not running. Start it: {host.console.make('deploy')}"
        return
    try:
        version = host.postgres.version_text(running.id)
        held = count(host.postgres.count(running.id) or 0)
        yield "database", f"PostgreSQL {version}, {host.docker.uptime(running.id)}, {held}"
    except SqlError as error:
        why = str(error).splitlines()[-1]
        yield "database", f"DOES NOT ANSWER ({why}). See why: {host.console.make('logs')}"
    if kept := database.settings(host).get("POSTGRES_KEPT"):
        drop = host.console.make("upgrade-database DROP=yes")
        text = f"the volume of the database before ({kept.replace(',', ', ')}): {drop} removes it"
        yield "kept", text


def describe_managed(host: Host) -> str:
    """How the managed database is, and what to do if it does not answer."""
    try:
        version = host.postgres.version_text(database.NAME)
        held = host.postgres.count(database.NAME) or 0
        return f"PostgreSQL {version} at DigitalOcean, {count(held)}"
    except SqlError as error:
        reason = str(error)
    deploy = host.console.make("deploy")
    if "password authentication" in reason or "certificate verify" in reason:
        return (
            "the managed one does not know this droplet any more, or is not known here: its "
            f"password or authority is another. {deploy} brings the new one"
        )
    if "too many" in reason or "connection slots" in reason:
        return "the managed one: every connection is busy: see docs/managed-database.md"
    if "No such container" in reason or "not running" in reason:
        return f"the managed one: its client does not run: {deploy}"
    return (
        "the managed one does not answer; the page goes on predicting, and says to press again. "
        "See whether it is online: https://cloud.digitalocean.com/databases"
    )


def newest_backup(host: Host) -> str:
    """When the newest dump on the droplet was made, and its name; empty without any."""
    files = sorted(
        host.disk.path(BACKUPS).glob("digits-*.dump"), key=lambda file: file.stat().st_mtime
    )
    if not files:
        return ""
    made = host.clock.stamp_of(files[-1].stat().st_mtime)
    return f"{made} {files[-1].name}"


def _of_the_machine(host: Host) -> Iterator[tuple[str, str]]:
    memory = host.memory.figures()
    swap = memory["SwapTotal"] - memory["SwapFree"]
    available = f"{memory['MemAvailable']} of {memory['MemTotal']} MB available"
    yield "memory", f"{available}; swap {swap} of {memory['SwapTotal']} MB used"
    disk = shutil.disk_usage(host.disk.path("/"))
    yield "disk", f"{disk.free / 1e9:.1f}GB of {disk.total / 1e9:.0f}GB free"
