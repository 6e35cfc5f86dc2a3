"""Put an image into service without dropping a request.

The new container starts beside the live one, on another port. Once it is healthy, has recognised a
digit and has reached the database, nginx is pointed at it. Until then whatever goes wrong, the
operator leaving included, removes the new container and leaves the old one as it is; after it the
release runs to its end.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace

from droplet import backup, database, fleet, history, images, migrate, processes
from droplet.console import Stop, count
from droplet.disk import DiskFull
from droplet.docker import APP, Container, Image
from droplet.history import Release
from droplet.host import Host
from droplet.nginx import Route
from droplet.recover import alone
from droplet.site import LOCAL, MANAGED, number_of

HEALTHY_WITHIN = 120  # seconds
TRY_FOR = 60  # seconds for the trial of an image without a health check, which may still start
PROCESS_MB = 400  # of memory that one process may need


@dataclass(frozen=True)
class Order:
    """What is to be released, and how: see `digits release --help` and ops/console/settings.py."""

    source: images.Source
    name: str  # what the list of releases calls the image
    commit: str
    by: str
    how: str = "release"  # or rollback
    wait: int = 0  # seconds, while another command runs
    pushed_at: str = ""  # seconds since 1970, from the pipeline
    backup: bool = True
    healthy_within: int = HEALTHY_WITHIN
    disk_needed: int = images.DISK_NEEDED

    def of(self, source: images.Source, name: str) -> Order:
        """The same order for another image."""
        return replace(self, source=source, name=name)


def order(image: str, commit: str, by: str) -> Order:
    """An order with the settings of the environment; a registry's password is read from stdin."""
    user = os.environ.get("REGISTRY_USER", "")
    password = sys.stdin.readline().strip() if user else ""
    return Order(
        images.Source(image, not os.environ.get("NO_PULL"), user, password),
        name=image,
        commit=commit,
        by=by,
        wait=number_of("WAIT", 0),
        pushed_at=os.environ.get("PUSHED_AT", ""),
        backup=os.environ.get("BACKED_UP") != "yes",
        healthy_within=number_of("HEALTHY_WITHIN", HEALTHY_WITHIN),
        disk_needed=number_of("DISK_NEEDED", images.DISK_NEEDED),
    )


def run(host: Host, order: Order) -> None:
    """Release. Raises Stop; the release that was live then still is."""
    began = host.clock.seconds()
    with alone(host, order.how, order.by, order.wait), ExitStack() as sessions:
        live = history.live(host)
        try:
            image = _prepare(host, order)
            if not image:
                return
            plan = _plan(host, order, image, live)
            plan.moving = migrate.begin(
                host,
                plan.release.database,
                at_once=plan.at_once == len(plan.release.ports),
                sessions=sessions,
            )
            while plan.new < len(plan.release.ports):
                batch = start_beside(host, order, plan)
                wait_until_healthy(host, order, batch)
                for one in batch:
                    if one is batch[0] or not one.check:
                        try_out(host, order, one)
                processes.retire(host, cut_over(host, plan, batch))
        except BaseException:
            host.console.protect()
            if history.live(host) == live:
                still = f"Nothing has changed: {live.name} is still live." if live else ""
                host.console.warn(still or "Nothing is live yet.")
            raise
        images.prune(host, {image.id})
        fleet.note(host)
    host.console.say(f"In service after {host.clock.seconds() - began:.0f} s: {order.name}")


# --- before anything is started ------------------------------------------------


def _prepare(host: Host, order: Order) -> Image | None:
    """Have the image, a backup and the database; None if the image is live already."""
    _refuse_overtaken(host, order)
    image = images.fetch(host, order.source, order.disk_needed)
    images.check_platform(host, image, order.source.name)
    wanted = host.site.database
    name = host.docker.database_image(database.stack(host, wanted))
    if order.how != "rollback" or not host.docker.image(name):  # a rollback needs no registry
        database.fetch(host, name)
    if (database.live(host), wanted) != (MANAGED, MANAGED):
        database.check_version(host, name)
    if is_live(host, image) and database.is_right(host, name):
        _let_app_in(host, order)
        host.console.say(f"Nothing to do: {order.name} is live already.")
        return None
    _back_up(host, order)
    database.bring_up(host, name)
    if is_live(host, image):
        _let_app_in(host, order)
        host.console.say(f"Nothing else to do: {order.name} is live already.")
        return None
    return image


def _refuse_overtaken(host: Host, order: Order) -> None:
    """Raises Stop for a push from before a rollback: it may be the very release that was bad."""
    if not re.fullmatch(r"\d+", order.pushed_at):
        return
    pushed = host.clock.stamp_of(int(order.pushed_at))
    later = [one for one in history.read(host) if one.how == "rollback" and one.when > pushed]
    if later:
        raise Stop(
            f"Not released: {later[-1].by} went back to {later[-1].name} at {later[-1].when}, "
            f"after this was pushed ({pushed}).",
            "If it is meant to go out all the same: on GitHub, Actions, Deploy, Run workflow; or "
            "push again.",
        )


def is_live(host: Host, image: Image) -> bool:
    """Whether it is live: in as many processes as it should be, each healthy and as configured."""
    live, site = history.live(host), host.site
    if not live or live.database != site.database or len(live.ports) != site.processes:
        return False
    there = processes.of_release(host, live)
    if host.nginx.route().ports != tuple(sorted(there)) or len(there) != site.processes:
        return False
    return all(
        one.image == image.id
        and one.config == host.docker.config(host.stack(image.id, port, live.database), APP)
        and bool(one.check)
        and processes.is_healthy(host, one)
        for port, one in there.items()
    )


def _back_up(host: Host, order: Order) -> None:
    """A dump, where there is a database. Going back changes no data, and works without one."""
    if not order.backup:
        host.console.say("No backup here: the first droplet makes it, of the one database of all")
        return
    if not database.container(host):
        host.console.say("No backup: there is no database yet, or it is stopped")
        return
    try:
        host.console.say(f"Backed up to {backup.make(host, 'release')}")
    except (Stop, DiskFull) as why:
        if order.how != "rollback":
            raise
        what = why.what if isinstance(why, Stop) else "The droplet's disk is full."
        for line in (what, "Going back without a backup."):
            host.console.warn(line)


def _let_app_in(host: Host, order: Order) -> None:
    """See that the app has its role in the droplet's own database. Raises Stop.

    A rollback leaves a role as it is, since it works on a full disk, too.
    """
    if host.site.database != LOCAL:
        return
    if order.how == "rollback":
        database.need_app_role(host)
    else:
        database.make_app_role(host)


# --- the new containers ------------------------------------------------------------


@dataclass
class Plan:
    """A release on its way: what it becomes, and how far it is.

    `at_once` processes start beside those that are live; `new` of them are in service.
    """

    release: Release
    live: Release | None
    old: dict[int, Container]  # by port, those that are still there
    at_once: int
    new: int = 0
    moving: migrate.Migration | None = None


def _plan(host: Host, order: Order, image: Image, live: Release | None) -> Plan:
    """Which ports it takes, and whether all processes start at once: where memory allows it."""
    wanted = host.site.processes
    release = Release(
        number=(live.number if live else 0) + 1,
        when="",
        name=order.name,
        id=image.id,
        commit=order.commit,
        by=order.by,
        how=order.how,
        ports=processes.ports_after(live, wanted),
        database=host.site.database,
    )
    old = processes.of_release(host, live) if live else {}
    needed, free = wanted * number_of("PROCESS_MB", PROCESS_MB), host.memory.available_mb()
    at_once = wanted
    if wanted > 1 and old and free < needed:
        at_once = 1
        host.console.say(
            f"{free} MB of memory are available, and {wanted} more processes need {needed}: they "
            "are replaced one by one"
        )
    return Plan(release, live, old, at_once)


def start_beside(host: Host, order: Order, plan: Plan) -> list[Container]:
    """Start the next batch of the new processes. Raises Stop."""
    _let_app_in(host, order)
    ports = plan.release.ports[plan.new : plan.new + plan.at_once]
    total = len(plan.release.ports)
    what = "it" if total == 1 else f"{len(ports)} of {total} processes"
    beside = " beside the live one" if plan.live else ""
    where = f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}"
    host.console.say(f"Starting {what}{beside}, on {where}")
    batch = []
    for port in ports:
        try:
            batch.append(processes.start(host, port, plan.release.id, plan.release.database))
        except Stop as stop:
            raise Stop(stop.what, _again(host, order)) from None
    return batch


def wait_until_healthy(host: Host, order: Order, batch: list[Container]) -> None:
    """Wait until every process of the batch is healthy. Raises Stop."""
    within = order.healthy_within
    host.console.say(f"Waiting until it is healthy (at most {within} s)")
    began = host.clock.seconds()
    shown = 0.0
    for one in batch:
        if not one.check:
            host.console.say("The image has no health check, so only the trial tells")
            continue
        while not processes.is_healthy(host, one):
            _refuse_ended(host, order, one)
            passed = host.clock.seconds() - began
            if passed >= within:
                _show_logs(host, one)
                raise Stop(
                    f"The new container is up but not healthy after {within} s.",
                    _again(host, order),
                    "If it only needs longer: "
                    + host.console.make(f"{order.how} HEALTHY_WITHIN=300"),
                )
            host.clock.sleep(0.5)
            if passed - shown >= 5:
                shown = passed
                host.console.say(f"  {passed:.0f} s")
        _refuse_ended(host, order, one)


def try_out(host: Host, order: Order, new: Container) -> None:
    """Let it recognise a digit and store a row, which it takes back. Raises Stop."""
    host.console.say("Trying it: a digit to recognise, a row for the database")
    deadline = host.clock.seconds() + TRY_FOR
    while True:
        done = host.docker.execute(new.id, *processes.TRIAL, timeout=TRY_FOR)
        if done.ok:
            return
        _refuse_ended(host, order, new)
        if new.check or host.clock.seconds() >= deadline:
            why = (done.error.strip() or done.out.strip()).splitlines()
            for line in why or [f"The trial ended with status {done.status} and printed nothing."]:
                host.console.warn(f"  {line}")
            _show_logs(host, new)
            raise Stop(
                "The new version is up but does not work; what failed is above.",
                _again(host, order),
            )
        host.clock.sleep(2)


def _refuse_ended(host: Host, order: Order, new: Container) -> None:
    """Raises Stop if a new container has ended, also if Docker has started it again since."""
    is_now = next((one for one in host.docker.containers(APP) if one.id == new.id), None)
    if is_now and is_now.runs and not is_now.restarts:
        return
    _show_logs(host, new)
    status, memory = host.docker.ended(new.id, new.started - 60) or (
        (is_now.exit_code, is_now.out_of_memory) if is_now else (0, False)
    )
    if memory:
        raise Stop(
            f"The new container was killed for want of memory: it may use {new.memory_mb} MB, and "
            f"the droplet has {host.memory.available_mb()} MB available.",
            f"Use less memory in the app, or give it more: mem_limit in docker-compose.yml, or a "
            f"larger droplet ({host.console.make('deploy TF_VAR_size=s-1vcpu-2gb')}).",
        )
    raise Stop(
        f"The new container does not stay up: it ended with status {status}.", _again(host, order)
    )


def _show_logs(host: Host, new: Container) -> None:
    host.console.warn("The last lines of the new container:")
    for line in host.docker.logs(new.id, 20) or ["it printed nothing"]:
        host.console.warn(f"  | {line}")


def _again(host: Host, order: Order) -> str:
    if order.how == "rollback":
        make = host.console.make
        return f"Another release: {make('releases')}, then {make('rollback RELEASE=ID')}"
    return f"Correct what is named there, then: {host.console.make('release')}"


# --- the cut-over --------------------------------------------------------------------


def cut_over(host: Host, plan: Plan, batch: list[Container]) -> list[Container]:
    """Point nginx at the new processes, and at as many old ones as stay until the last is there.

    Returns the old containers that leave. The last batch makes the release live: its line is in the
    list before, and nginx's file names it.
    """
    release = plan.release
    new = release.ports[: plan.new + len(batch)]
    is_last = len(new) == len(release.ports)
    old = sorted(plan.old)
    stay = () if is_last else tuple(old[-max(1, len(old) - len(batch)) :])
    number = plan.live.number if plan.live else 0
    if is_last:
        migrate.copy(host, plan.moving)
        release = release.at(host.clock.stamp())
        history.add(host, release)
        number = release.number
    host.console.say("Cutting over to it")
    # From here on Ctrl-C and a lost connection end nothing.
    host.console.protect()
    processes.cut_over(host, Route(number, (*new, *stay)))
    if is_last:
        migrate.finish(host, plan.moving)
    else:
        host.console.listen()
    plan.new = len(new)
    leaving = [plan.old.pop(port) for port in old if port not in stay]
    if is_last:  # also those that had ended and that Docker has started again
        leaving = [one for one in host.docker.containers(APP) if not {*one.ports} & {*new}]
    if leaving:
        host.console.say(f"Removing {count(len(leaving), 'old container')} once visitors have left")
    return leaving
