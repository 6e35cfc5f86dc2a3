"""The database's container: its image, its settings, start, and the way back if it does not start.

Image, volume and path are in postgres.env, which docker compose reads. `digits upgrade-database`
writes it and nothing else does; without it docker-compose.yml's own values hold.
"""

from __future__ import annotations

from droplet import history, images
from droplet.console import Stop
from droplet.docker import DATABASE, DATABASE_SETTINGS, FOLDER, Container, Image, Stack
from droplet.host import Host
from droplet.postgres import SqlError
from droplet.programs import Result
from droplet.site import LOCAL, MANAGED, number_of

NAME = "digits-db-1"
CLIENT = "digits-migrate"  # reaches the managed database during a migration
APP_ROLE_FILE = f"{FOLDER}/infra/postgres/app_role.sql"
APP_PASSWORD_FILE = f"{FOLDER}/secrets/app_password"


def container(host: Host) -> Container | None:
    """The container of the database, if it runs."""
    return next((one for one in host.docker.containers(DATABASE) if one.runs), None)


def live(host: Host) -> str:
    """Which database has the predictions: local or managed. Before the first release: as wanted."""
    release = history.live(host)
    return release.database if release else host.site.database


def words(database: str) -> str:
    """The database in a sentence."""
    return "the managed database" if database == MANAGED else "the droplet's own database"


def stack(host: Host, database: str = "") -> Stack:
    """The settings of docker compose for the database."""
    return host.stack(database=database or live(host))


def settings(host: Host) -> dict[str, str]:
    """The values of postgres.env."""
    lines = host.disk.read(DATABASE_SETTINGS).splitlines()
    return dict(line.partition("=")[::2] for line in lines if "=" in line)


def write_settings(host: Host, values: dict[str, str]) -> None:
    """Replace postgres.env. Raises DiskFull."""
    text = "".join(f"{name}={value}\n" for name, value in values.items() if value)
    host.disk.write(DATABASE_SETTINGS, text)


def major(image: Image | None) -> str:
    """The major version of PostgreSQL in an image; empty if it does not tell."""
    return image.environment.get("PG_MAJOR", "") if image else ""


# --- its image -----------------------------------------------------------------


def fetch(host: Host, name: str) -> None:
    """Pull the image, so that security fixes arrive; one that is here will do. Raises Stop."""
    before = host.docker.image(name)
    if before and images.is_immutable(name):
        return
    if not before:
        host.console.say(f"Pulling {name}")
    why = host.docker.pull(name, None, lambda mb: host.console.say(f"  {mb} MB received"))
    if not why:
        return
    host.console.warn(why)
    if not before:
        raise Stop(
            f"{name} could not be pulled; Docker's reason is above.",
            "Check that there is such a version, and that its registry answers; then run the same "
            "command again.",
        )
    host.console.say(
        f"Nobody knows whether there is a newer {name}, so the one that is here stays."
    )


def check_version(host: Host, name: str) -> None:
    """Raises Stop if the data were written by another major version: it would not start on them."""
    volume = settings(host).get("POSTGRES_VOLUME", "digits_postgres")
    wanted = major(host.docker.image(name))
    if not wanted or not host.docker.has_volume(volume):
        return
    # Up to 17 it lies on the volume itself, from 18 on in a folder there for each version.
    read = "cat /data/PG_VERSION /data/*/docker/PG_VERSION 2>/dev/null | head -n 1"
    found = host.docker.run(
        *("--rm", "--network", "none", "--volume", f"{volume}:/data:ro", "--entrypoint", "sh"),
        *(name, "-c", read),
    ).out.strip()
    if found and found != wanted:
        upgrade = host.console.make(f"upgrade-database VERSION={wanted}")
        raise Stop(
            f"The database was written by PostgreSQL {found}, and {name} is version {wanted}: it "
            "would not start on it.",
            f"Stay on {found}: in docker-compose.yml, postgres:{found}-trixie. Or move the "
            f"predictions to {wanted}: {upgrade}",
        )


# --- its container ----------------------------------------------------------------


def is_right(host: Host, name: str) -> bool:
    """Whether it runs, from this image and as docker-compose.yml has it now."""
    running, image = container(host), host.docker.image(name)
    if not running or not image or running.image != image.id:
        return False
    return running.config == host.docker.config(stack(host), DATABASE)


def up(host: Host, database: str = "") -> bool:
    """Start it, and wait until it is healthy; whether it is."""
    return start(host, database).ok


def start(host: Host, database: str = "") -> Result:
    """Start it, and wait until it is healthy."""
    within = number_of("DATABASE_WITHIN", 120)
    return host.docker.start_database(stack(host, database), within)


def bring_up(host: Host, name: str) -> None:
    """Start it, or move it to what the image's name means now. Raises Stop.

    If that does not start, it goes back to the image that it had.
    """
    running = container(host)
    if running and not is_right(host, name):
        host.console.say(
            "The database is restarted and is away for some seconds; the page goes on meanwhile"
        )
    done = start(host)
    if done.ok:
        _remove_old_images(host, running.image if running else "")
        return
    show_start(host, done)
    logs = host.console.make("logs")
    if not running:
        raise Stop("The database did not start; Docker's reason is above.", f"See: {logs}")
    # The compose file's name means the old one again, until the next pull.
    host.docker.tag(running.image, name)
    if not up(host):
        raise Stop(
            "The database did not start, neither from the new image nor from the one before; "
            "Docker's reason is above.",
            f"See: {logs}",
        )
    _remove_old_images(host)
    upgrade = host.console.make("upgrade-database VERSION=17.6")
    raise Stop(
        f"The database did not start from {name} as it is now, and runs as before; why is above.",
        f"To stay with what runs, name its version ({host.console.make('status')}), as in: "
        f"{upgrade}",
    )


def _remove_old_images(host: Host, replaced: str = "") -> None:
    """Remove PostgreSQL's images without a tag: a newer one has it, or they did not start.

    Also the one that was replaced (an id). Each can be pulled again.
    """
    used = {one.image for one in host.docker.containers(DATABASE)}
    for image in host.docker.images():
        has_tag = any("@" not in name for name in image.names)
        is_old = image.id == replaced or not has_tag
        if major(image) and is_old and image.id not in used:
            host.docker.remove_image(image)


def show_start(host: Host, done: Result) -> None:
    """Show what Docker and the database printed when it did not start."""
    host.console.warn(done.error.strip())
    for line in host.docker.logs(NAME, 20):
        host.console.warn(f"  | {line}")


def make_app_role(host: Host, container: str = NAME) -> None:
    """Make the app's role in the droplet's own database, or make it right. Raises Stop."""
    sql, password = host.disk.read(APP_ROLE_FILE), host.disk.read(APP_PASSWORD_FILE).strip()
    if not sql or not password:
        raise Stop(
            f"The app cannot get its role in the database: {APP_ROLE_FILE} or {APP_PASSWORD_FILE} "
            "is missing or empty.",
            f"Let Ansible write it: {host.console.make('deploy')}",
        )
    try:
        try:
            host.postgres.make_app_role(container, sql, password)
        except SqlError:  # the app may hold what this needs
            host.postgres.end_sessions(container)
            host.postgres.make_app_role(container, sql, password)
    except SqlError as error:
        raise Stop(
            f"The app did not get its role in the database: {error}.",
            f"See how the database is: {host.console.make('status')}. Then run this again.",
        ) from error


def need_app_role(host: Host) -> None:
    """Make the app's role if there is none. A failure is a warning: the page works without it."""
    running = container(host)
    if not running or running.health == "unhealthy":
        return
    try:
        if not host.postgres.has_app_role(running.id):
            make_app_role(host, running.id)
    except SqlError as error:
        host.console.warn(f"The database does not tell whether the app has its role: {error}.")
    except Stop as stop:
        host.console.warn(stop.what)


def need(host: Host) -> Container:
    """The container of the database. Raises Stop if it does not run."""
    found = container(host)
    if not found:
        raise Stop("The database is not running.", f"Start it: {host.console.make('deploy')}")
    return found


def reach(database: str) -> str:
    """The container that reaches a database during a migration."""
    return NAME if database == LOCAL else CLIENT
