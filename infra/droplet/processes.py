"""The app's processes: each a container of its own, on a port of its own.

The processes of one release are a set. Two sets take turns, so that a new one can start beside the
live one: on the ports 8501, 8503, 8505, ... and on 8502, 8504, 8506, ...
"""

from __future__ import annotations

from droplet.console import Stop
from droplet.docker import APP, Container
from droplet.history import Release
from droplet.host import Host
from droplet.nginx import Route
from droplet.site import number_of

FIRST, SECOND = 8501, 8502
TRIAL = ("python", "-m", "digits.selftest")  # recognises a digit, and stores a row
_GONE = ("exited", "dead", "created")
RESTART_WITHIN = 60  # seconds for a process of an image that was live before
DRAIN = 5  # seconds at most that visitors get to leave an old container


def ports_after(live: Release | None, count: int) -> tuple[int, ...]:
    """The ports of the next release's processes: the set that is not live."""
    first = SECOND if live and live.ports[0] % 2 == FIRST % 2 else FIRST
    return tuple(range(first, first + 2 * count, 2))


def of_release(host: Host, live: Release) -> dict[int, Container]:
    """The containers of a release by their ports, but for those that have ended."""
    image = live.id
    if not image.startswith("sha256:") and (named := host.docker.image(image)):
        image = named.id  # the bash version's oldest lines have a name
    found = {}
    for one in host.docker.containers(APP):
        if one.image == image and one.status not in _GONE:
            found.update({port: one for port in one.ports if port in live.ports})
    return found


def has_strays(host: Host, live: Release) -> bool:
    """Whether a container runs that is none of the live ones: Docker was away when it had to go."""
    kept = {one.id for one in of_release(host, live).values()}
    return any(one.runs and one.id not in kept for one in host.docker.containers(APP))


def start(host: Host, port: int, image: str, database: str) -> Container:
    """Start one beside those that there are. Raises Stop if Docker does not."""
    stack = host.stack(image, port, database)
    done = host.docker.start_app(stack)
    if "no space left" in done.error and host.disk.give_up_reserve():
        done = host.docker.start_app(stack)
    found = next((one for one in host.docker.containers(APP) if port in one.ports), None)
    if not done.ok or not found:
        host.console.warn(done.error.strip() or "docker compose started no container")
        raise Stop(
            "The new container could not be started; Docker's reason is above.",
            f"Fix it, then see what is live: {host.console.make('status')}",
        )
    return found


def is_healthy(host: Host, container: Container) -> bool:
    """Run the health check of its image in it, now: Docker's own next turn may be seconds away.

    Without one, the trial of a release takes its place.
    """
    return host.docker.execute(container.id, *(container.check or TRIAL), timeout=10).ok


def becomes_healthy(host: Host, container: Container, within: int) -> bool:
    """Wait until it is healthy. An image without a health check is taken as it is then."""
    deadline = host.clock.seconds() + within
    while not is_healthy(host, container):
        if host.clock.seconds() >= deadline:
            return not container.check
        host.clock.sleep(0.5)
    return True


def cut_over(host: Host, route: Route) -> None:
    """Point nginx at these ports. Raises Stop, with nginx as it was.

    Before the first release there is nothing to go back to. So that one stays: it may have stored
    an answer by then.
    """
    before, workers = host.nginx.route(), host.nginx.workers()
    if why := host.nginx.check():
        host.console.warn(why)
        raise Stop(
            "nginx does not accept its own configuration; its reason is above.",
            f"Fix it: {host.console.make('deploy')}",
        )
    host.nginx.write(route)
    if not (host.nginx.runs() and host.nginx.reload() and host.nginx.has_taken_over(workers)):
        if before.ports:
            host.nginx.write(before)
        later = "" if before.ports else " The release is live as soon as nginx runs."
        raise Stop(
            f"nginx did not take the new port.{later}",
            f"See: {host.console.make('ssh')}, then: nginx -t; journalctl -u nginx",
        )


def retire(host: Host, containers: list[Container]) -> None:
    """Give visitors time to leave containers, then stop and remove them."""
    if not containers:
        return
    running = [one.id for one in containers if one.runs]
    if running:
        host.nginx.drain(number_of("DRAIN", DRAIN))
        host.docker.stop(*running)
    host.docker.remove(*(one.id for one in containers))


def converge(host: Host, live: Release, *, reload: bool = False) -> bool:
    """Make nginx, the containers and the list agree: the live release, and nothing else.

    It undoes a release that was given up or killed, and starts again what was removed by hand.
    False if nginx does not load its file.
    """
    if not host.nginx.runs():
        host.console.warn(
            f"nginx does not start. See why: {host.console.make('ssh')}, then: journalctl -u nginx"
        )
    routed = host.nginx.route().ports
    there = {port: one for port, one in of_release(host, live).items() if port in routed}
    if not there and (first := _start_again(host, live, live.ports[0])):
        there[live.ports[0]] = first
    if not there:  # nothing better than what nginx has now
        if not host.docker.answers():
            return not reload
        if reload and not _try_cut_over(host, host.nginx.route()):
            return False
        clear(host)
        return True
    if not _point(host, live, there, reload=reload):
        return False
    for port in live.ports:
        if port not in there and (one := _start_again(host, live, port)):
            there[port] = one
    if len(there) < len(live.ports):
        host.console.warn(
            f"{len(there)} of {len(live.ports)} processes are live. To start the others: "
            f"{host.console.make('deploy')}"
        )
    return _point(host, live, there)


def clear(host: Host) -> None:
    """Remove what a release has left that failed or was killed, where nothing else is live."""
    ports = host.nginx.route().ports
    left = [one.id for one in host.docker.containers(APP) if not {*one.ports} & {*ports}]
    if left:
        host.docker.remove(*left)


def _point(host: Host, live: Release, there: dict[int, Container], *, reload: bool = False) -> bool:
    """Point nginx at these processes of the live release, and remove all others.

    False if nginx does not load its file.
    """
    route = Route(live.number, tuple(sorted(there)))
    if (reload or host.nginx.route() != route) and not _try_cut_over(host, route):
        return False
    kept = {one.id for one in there.values()}
    retire(host, [one for one in host.docker.containers(APP) if one.id not in kept])
    return True


def _try_cut_over(host: Host, route: Route) -> bool:
    """As cut_over; False, with the reason printed, if nginx does not load it."""
    try:
        cut_over(host, route)
    except Stop as stop:
        for line in (stop.what, *stop.then):
            host.console.warn(line)
        return False
    return True


def _start_again(host: Host, live: Release, port: int) -> Container | None:
    """Start a process of the live release that is missing; None if it does not become healthy.

    A command that was interrupted here may have started it: then wait for that one.
    """
    image = host.docker.image(live.id)
    if not image:
        return None
    found = of_release(host, live).get(port)
    if not found:
        ended = [one.id for one in host.docker.containers(APP) if port in one.ports]
        if ended:
            host.docker.remove(*ended)
        host.console.warn(f"Starting {live.name} again, on port {port}")
        try:
            found = start(host, port, image.id, live.database)
        except Stop:
            return None
    if becomes_healthy(host, found, RESTART_WITHIN):
        return found
    host.docker.remove(found.id)
    return None
