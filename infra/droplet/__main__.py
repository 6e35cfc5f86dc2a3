"""The command `digits`: `digits VERB --help` tells what each does."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from droplet import host as hosts
from droplet.console import Left, Stop
from droplet.disk import DiskFull
from droplet.host import Host

# The names of the bash version, which older pipelines call: links to this command.
OLD_NAMES = ("release", "rollback", "releases", "status", "backup", "restore", "upgrade-database")


def main(arguments: list[str] | None = None, host: Host | None = None) -> int:
    """Run one verb; the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    called = os.path.basename(sys.argv[0])  # noqa: PTH119 - a name, not a path
    if arguments is None and called.removeprefix("digits-") in OLD_NAMES:
        given = [called.removeprefix("digits-"), *given]
    options = _parser().parse_args(given)
    host = host or hosts.real()
    host.console.listen()
    try:
        values = options.run(host, options)
    except Stop as stop:
        return _failed(host, options, stop)
    except Left:
        return 130
    except DiskFull as full:
        no_room = Stop(
            f"The droplet's disk is full: there is no room for {full}.",
            f"See what takes it, by {host.console.make('ssh')}: du -xsh /var/* | sort -h",
        )
        return _failed(host, options, no_room)
    if options.json and values is not None:
        print(json.dumps(values))
    return 0


def _failed(host: Host, options: argparse.Namespace, stop: Stop) -> int:
    host.console.protect()
    for line in (stop.what, *stop.then):
        host.console.warn(line)
    if options.json:
        print(json.dumps({"error": [stop.what, *stop.then]}))
    return stop.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="digits", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[Host, Any], object], text: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=text, description=text)
        one.add_argument("--json", action="store_true", help="print values for a program")
        one.set_defaults(run=run)
        return one

    release = verb("release", _release, "put an image into service without dropping a request")
    release.add_argument("image")
    release.add_argument("commit", nargs="?", default="unknown")
    release.add_argument("by", nargs="?", default="unknown")

    rollback = verb("rollback", _rollback, "put an earlier release back into service")
    rollback.add_argument("by")
    rollback.add_argument("image", nargs="?", default="")

    verb("releases", _releases, "list the releases; * marks the one that is live")
    verb("status", _status, "what is live, since when, and how the droplet is")

    backup = verb("backup", _backup, "write a dump of the database and print its path")
    backup.add_argument("kind", nargs="?", default="manual")

    restore = verb("restore", _restore, "replace the predictions by those of a dump on stdin")
    restore.add_argument("--look", action="store_true", help="only say what the dump holds")
    restore.add_argument("--held", action="store_true", help="only say what the managed one holds")

    upgrade = verb("upgrade-database", _upgrade, "move the database to another PostgreSQL")
    upgrade.add_argument("by")
    upgrade.add_argument("version", nargs="?", default="", help="as 18 or 18.1, or drop")

    migrate = verb("migrate", _migrate, "bring the predictions from the managed database back here")
    migrate.add_argument("by")

    verb("watchdog", _watchdog, "restart what has stopped answering")

    certificate = verb("certificate", _certificate, "get and renew the site's certificate")
    certificate.add_argument(
        "mode", nargs="?", default="timer", choices=["timer", "now", "site", "status"]
    )

    offsite = verb("offsite", _offsite, "offsite backups in a restic repository")
    offsite.add_argument(
        "mode",
        choices=["hourly", "now", "list", "restore", "test", "status", "remove", "start-over"],
    )
    offsite.add_argument("id", nargs="?", default="")

    fleet = verb("fleet", _fleet, "a droplet of a fleet: join after a boot, publish what is live")
    fleet.add_argument("mode", choices=["join", "note"])

    alert = verb("alert", _alert, "note what has failed and waits for somebody")
    alert.add_argument("mode", nargs="?", default="list", choices=["list", "begin", "end"])
    alert.add_argument("name", nargs="?", default="")
    return parser


def _release(host: Host, given: argparse.Namespace) -> object:
    from droplet import release

    release.run(host, release.order(given.image, given.commit, given.by))
    return _live(host)


def _rollback(host: Host, given: argparse.Namespace) -> object:
    from droplet import rollback

    rollback.run(host, given.by, given.image)
    return _live(host)


def _releases(host: Host, given: argparse.Namespace) -> object:
    from droplet import status

    return status.releases(host, quiet=given.json)


def _status(host: Host, given: argparse.Namespace) -> object:
    from droplet import status

    return status.run(host, quiet=given.json)


def _backup(host: Host, given: argparse.Namespace) -> object:
    from droplet import backup

    path = backup.make(host, given.kind)
    if not given.json:
        host.console.say(f"Backed up to {path}")
    return {"path": path}


def _restore(host: Host, given: argparse.Namespace) -> object:
    from droplet import restore

    if given.held:
        return restore.print_held(host)
    return restore.run(host, sys.stdin.buffer, look=given.look)


def _upgrade(host: Host, given: argparse.Namespace) -> object:
    from droplet import upgrade

    upgrade.run(host, given.by, given.version)
    return None


def _migrate(host: Host, given: argparse.Namespace) -> object:
    from droplet import migrate

    migrate.bring_back(host, given.by)
    return None


def _watchdog(host: Host, _given: argparse.Namespace) -> object:
    from droplet import watchdog

    watchdog.run(host)
    return None


def _certificate(host: Host, given: argparse.Namespace) -> object:
    from droplet import certificate

    return certificate.run(host, given.mode, quiet=given.json)


def _offsite(host: Host, given: argparse.Namespace) -> object:
    from droplet import offsite

    return offsite.run(host, given.mode, given.id, quiet=given.json)


def _fleet(host: Host, given: argparse.Namespace) -> object:
    from droplet import fleet

    fleet.run(host, given.mode)
    return None


def _alert(host: Host, given: argparse.Namespace) -> object:
    from droplet import alerts

    return alerts.run(host, given.mode, given.name, quiet=given.json)


def _live(host: Host) -> object:
    from droplet import history

    live = history.live(host)
    return {"live": asdict(live) if live else None}


if __name__ == "__main__":
    sys.exit(main())
