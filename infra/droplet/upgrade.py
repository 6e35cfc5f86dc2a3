"""Move the database to another PostgreSQL.

Another major version does not read the files of the one before. So it starts beside it, on a
volume of its own; from then on answers wait (the page says to press again), a dump goes from the
one to the other, both are compared, and postgres.env names the new one. Whatever goes wrong before
that brings the old one back, with every answer that was acknowledged (droplet.underway).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from typing import NoReturn

from droplet import backup, database, images, migrate, underway
from droplet.console import Stop, count
from droplet.docker import DATABASE, Container
from droplet.host import Host
from droplet.postgres import SqlError
from droplet.programs import Result
from droplet.recover import alone
from droplet.site import LOCAL, number_of

_OTHERS = """SELECT string_agg(name, ', ') FROM (
    SELECT 'database ' || datname FROM pg_database WHERE NOT datistemplate
      AND datname NOT IN ('digits', 'postgres', 'digits_restore_test')
    UNION ALL SELECT 'user ' || rolname FROM pg_roles
      WHERE rolname !~ '^pg_' AND rolname NOT IN ('digits', 'digits_app')
    ) AS others (name)"""
_TABLES = """SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"""


@dataclass(frozen=True)
class Now:
    """The database that runs: its container, its image, its volume, and what is kept of others."""

    container: Container
    image: str
    major: int
    volume: str
    path: str
    kept: tuple[str, ...]

    def settings(self) -> dict[str, str]:
        """postgres.env as it is."""
        return settings(self.image, self.volume, self.path, self.kept)


def run(host: Host, by: str, version: str = "") -> None:
    """Upgrade to the newest minor version, or to this version (18, 18.1). Raises Stop.

    The version `drop` removes what is kept of earlier databases.
    """
    if not re.fullmatch(r"(drop|\d+(\.\d+)?)?", version):
        raise Stop(
            f"VERSION={version} is no version of PostgreSQL.",
            f"Give one as in: {host.console.make('upgrade-database VERSION=18')}",
        )
    with alone(host, "upgrade of the database", by, number_of("WAIT", 0)):
        if database.live(host) != LOCAL:
            raise Stop(
                "The predictions are in DigitalOcean's managed database, so its PostgreSQL is "
                "DigitalOcean's to upgrade.",
                "Upgrade it there: https://cloud.digitalocean.com/databases, the database, "
                "Settings, Upgrade. Dumps are made by the postgres image on the droplet, which "
                "must not be older: docs/managed-database.md",
            )
        now = _look(host)
        if version == "drop":
            _drop(host, now)
            return
        image = f"postgres:{version}-trixie" if version else now.image
        size = "SELECT pg_database_size('digits') / 1000000"
        megabytes = host.postgres.number(now.container.id, size)
        images.need_room(host, 1000 + 3 * megabytes, "an upgrade")
        database.fetch(host, image)
        major = database.major(host.docker.image(image))
        if not major:
            raise Stop(
                f"{image} does not tell which PostgreSQL it is.",
                "Take another one: the official postgres.",
            )
        if int(major) == now.major:
            _to_minor(host, now, image)
        else:
            _to_major(host, now, image, int(major))


def _look(host: Host) -> Now:
    running = database.need(host)
    try:
        version = host.postgres.version(running.id)
    except SqlError as error:
        raise Stop(
            f"The database does not answer: {error}.", f"See: {host.console.make('logs')}"
        ) from error
    volume, path = running.volumes[0]
    kept = database.settings(host).get("POSTGRES_KEPT", "")
    major = version // 10000  # 170006 is 17.6
    return Now(
        running, running.name_of_image, major, volume, path, tuple(filter(None, kept.split(",")))
    )


def settings(image: str, volume: str, path: str, kept: tuple[str, ...]) -> dict[str, str]:
    """The values of postgres.env."""
    return {
        "POSTGRES_IMAGE": image,
        "POSTGRES_VOLUME": volume,
        "POSTGRES_PATH": path,
        "POSTGRES_KEPT": ",".join(kept),  # docker compose does not read it
    }


# --- the same major version: the same files ----------------------------------------


def _to_minor(host: Host, now: Now, image: str) -> None:
    if image == now.image and database.is_right(host, image):
        version = host.postgres.version_text(now.container.id)
        host.console.say(f"Nothing to do: PostgreSQL {version} runs, and {image} is no newer.")
        return
    host.console.say(f"Backed up to {backup.make(host, 'upgrade')}")
    if image == now.image:
        database.bring_up(host, image)
    else:
        host.console.say(
            "The database is restarted and is away for some seconds; the page goes on meanwhile"
        )
        underway.begin_upgrade(host, now.settings())
        database.write_settings(host, settings(image, now.volume, now.path, now.kept))
        done = database.start(host)
        if not done.ok:
            database.show_start(host, done)
            raise Stop(
                f"The database did not start from {image}; why is above.",
                "Stay with what runs, or try another version.",
            )
        underway.end(host)
    host.console.say(f"In service: PostgreSQL {host.postgres.version_text(database.NAME)}")


# --- another major version: other files -----------------------------------------------


def _to_major(host: Host, now: Now, image: str, major: int) -> None:
    volume = f"digits_postgres-{major}"
    # Where the image wants its volume: /var/lib/postgresql/data up to 17, its parent from 18 on.
    found = host.docker.image(image)
    path = found.volumes[0] if found and found.volumes else now.path
    _refuse_others(host, now)
    if volume in now.kept:
        drop = host.console.make("upgrade-database DROP=yes")
        raise Stop(
            f"An earlier PostgreSQL {major} is still kept, in the volume {volume}.",
            f"If you do not need it any more: {drop}. Then run this again.",
        )
    seconds = 15 + (host.postgres.count(now.container.id) or 0) // 20000
    host.console.say(
        f"The page goes on predicting. For about {seconds} s it will not store answers: it says to "
        "press again."
    )
    new = _start_beside(host, now, settings(image, volume, path, ()), major)
    with migrate.hold(host, now.container.id):
        host.console.say("Holding answers back: the page says to press again")
        contents = _copy(host, now, new, major)
        _switch(host, now, settings(image, volume, path, (*now.kept, now.volume)), major)
    version = host.postgres.version_text(database.NAME)
    drop = host.console.make("upgrade-database DROP=yes")
    host.console.say(f"In service: PostgreSQL {version}, with the same rows and checksums:")
    for line in contents:
        host.console.say(f"  {line}")
    host.console.say(f"The old one's volume, {now.volume}, is kept. When you are content: {drop}")


def _refuse_others(host: Host, now: Now) -> None:
    """Only the predictions' own database is moved, so there must be nothing else."""
    if others := host.postgres.ask(now.container.id, _OTHERS):
        raise Stop(
            f"Beside the predictions there is more, and it would be left behind: {others}.",
            f"Move it away yourself, then run this again: {host.console.make('psql')}",
        )


def _start_beside(host: Host, now: Now, wanted: dict[str, str], major: int) -> Container:
    host.console.say(f"Starting PostgreSQL {major} beside {now.major}, on a volume of its own")
    volume = wanted["POSTGRES_VOLUME"]
    underway.begin_upgrade(host, now.settings(), volume)
    _need(host, host.docker.compose(underway.beside(host), "down"), "remove an earlier one")
    _need(host, host.docker.make_volume(volume), f"make the volume {volume}")
    beside = underway.beside(host, wanted)
    done = host.docker.start_database(beside, number_of("DATABASE_WITHIN", 120))
    there = host.docker.containers(DATABASE, beside.project)
    if not done.ok or not there:
        for line in host.docker.logs(there[0].id, 20) if there else []:
            host.console.warn(f"  | {line}")
        _fail(host, done.error, f"PostgreSQL {major} did not start; why is above.")
    # As the app does: over the network, with the password.
    log_in = (
        "PGPASSWORD=$(cat /run/secrets/app_password) psql --host=db --username=digits_app "
        '--dbname=digits --no-password --no-psqlrc --quiet --command "SELECT 1"'
    )
    done = host.docker.execute(there[0].id, "sh", "-c", log_in, timeout=60)
    if not done.ok:
        _fail(host, done.error, f"PostgreSQL {major} does not let the app in; why is above.")
    return there[0]


def _copy(host: Host, now: Now, new: Container, major: int) -> list[str]:
    """Restore a dump into the new database, compare both, close it; what both hold."""
    path = backup.make(host, "upgrade")
    host.console.say(f"Backed up to {path}")
    host.console.say(f"Restoring it into PostgreSQL {major}")
    with host.disk.path(path).open("rb") as dump:
        done = host.postgres.restore(new.id, dump)
    if not done.ok:
        _fail(host, done.error, f"PostgreSQL {major} did not accept the dump; why is above.")
    database.make_app_role(host, new.id)  # the restored tables have no privileges
    host.console.say("Comparing the two")
    try:
        before, after = _contents(host, now.container.id), _contents(host, new.id)
        host.postgres.close(new.id)
    except SqlError as error:
        _fail(host, str(error), "One of the two could not be read; why is above.")
    if before != after:
        _fail(
            host,
            "\n".join(sorted({*before} ^ {*after})),
            f"PostgreSQL {major} does not hold what {now.major} holds; the tables that differ are "
            "above.",
        )
    return before


def _contents(host: Host, container: str) -> list[str]:
    """Of each table its name, how many rows it has, and their checksum. Raises SqlError."""
    lines = []
    for table in host.postgres.ask(container, _TABLES).split():
        rows = f'COPY (SELECT t::text FROM {table} t ORDER BY t::text COLLATE "C") TO STDOUT'  # noqa: S608 - quoted by PostgreSQL
        with tempfile.TemporaryFile(dir=host.disk.path("/var/tmp")) as file:  # noqa: S108
            host.postgres.copy_out(container, rows, file)
            file.seek(0)
            total = hashlib.file_digest(file, "sha256").hexdigest()
        number = host.postgres.number(container, f"SELECT count(*) FROM {table}")  # noqa: S608
        lines.append(f"{table} {number} {total}")
    return lines


def _switch(host: Host, now: Now, wanted: dict[str, str], major: int) -> None:
    """Put the new database in the old one's place."""
    # From here on this goes to its end, or back, whoever leaves.
    host.console.protect()
    host.console.say("Cutting over to it")
    _need(host, host.docker.compose(underway.beside(host), "down"), "stop the new database")
    host.postgres.ask(now.container.id, "CHECKPOINT")
    # QUIT is PostgreSQL's immediate shutdown. A fast one would end the session that holds the
    # predictions first, and an answer that waits could still be stored, after the dump.
    stopped = host.docker.stop(now.container.id, seconds=60, signal="QUIT")
    if not stopped or not host.docker.remove(now.container.id):
        _fail(host, "", "Docker could not stop and remove the old database.")
    database.write_settings(host, wanted)
    done = database.start(host)
    if not done.ok:
        database.show_start(host, done)
        _fail(host, "", f"PostgreSQL {major} did not start in the old one's place; why is above.")
    underway.open_upgrade(host)  # the point of no return
    if not underway.recover(host):
        raise Stop(
            f"PostgreSQL {major} is live, but does not store answers yet; why is above.",
            "It is tried again every ten seconds.",
        )


# --- what was kept ------------------------------------------------------------------------


def _drop(host: Host, now: Now) -> None:
    if not now.kept:
        host.console.say("Nothing to do: no earlier database is kept.")
        return
    _need(host, host.docker.remove_volume(*now.kept), "remove the volumes")
    database.write_settings(host, settings(now.image, now.volume, now.path, ()))
    for image in host.docker.images():
        is_old = any(images.repository(name) == "postgres" for name in image.names)
        if is_old and image.id != now.container.image:
            host.docker.remove_image(image)
    host.console.say(
        f"Removed {count(len(now.kept), 'volume')}: {', '.join(now.kept)}. The dumps in "
        "/var/backups/digits stay, for seven days and the last one for ever."
    )


def _need(host: Host, done: Result, what: str) -> None:
    """Raises Stop if a step of Docker's failed."""
    if not done.ok:
        _fail(host, done.error, f"Docker could not {what}; its reason is above.")


def _fail(host: Host, why: str, what: str) -> NoReturn:
    if why.strip():
        host.console.warn(why.strip())
    raise Stop(what, "Fix what is named there, and run this again.")
