"""Put an earlier release back into service, as safely as a release. No build, no registry."""

from __future__ import annotations

from droplet import history, images, processes, release
from droplet.console import Stop
from droplet.docker import Image
from droplet.history import Release
from droplet.host import Host
from droplet.recover import after_a_kill
from droplet.site import number_of


def run(host: Host, by: str, wanted: str = "") -> None:
    """Go back to what was live before, or to the image that is wanted. Raises Stop."""
    after_a_kill(host)
    found = history.with_ids(host, history.read(host))
    if not found:
        raise Stop(
            "Nothing has been released yet, so there is nothing to go back to.",
            f"Release something: {host.console.make('deploy')}",
        )
    # Chosen before waiting for a release that may be running: whoever asks means the one before
    # the one that they see now.
    image, chosen = _named(host, found, wanted) if wanted else _before(host, found)
    host.console.say(f"Going back to {chosen.name} ({image.short})")
    release.run(
        host,
        release.Order(
            images.Source(image.id, pull=False),
            name=chosen.name,
            commit=chosen.commit,
            by=by,
            how="rollback",
            wait=number_of("WAIT", 0),
            healthy_within=number_of("HEALTHY_WITHIN", release.HEALTHY_WITHIN),
        ),
    )


def _named(host: Host, found: list[Release], wanted: str) -> tuple[Image, Release]:
    image = host.docker.image(wanted)
    if not image:
        raise Stop(
            f"{wanted} is not on the droplet (any more): the last {history.KEEP} images are kept.",
            f"See which: {host.console.make('releases')}",
        )
    for one in reversed(found):
        if one.id in (image.id, wanted) or one.name == wanted:
            return image, one
    return image, Release(0, "", wanted, image.id, "unknown", "")


def _before(host: Host, found: list[Release]) -> tuple[Image, Release]:
    """The newest on the way back that is another image than the live one, and still here."""
    earlier, live = history.way_back(found)[:-1], found[-1]
    now = host.docker.image(live.id)
    skipped = 0
    for one in reversed(earlier):
        image = host.docker.image(one.id)
        if one.id == live.id:
            continue
        if image:
            if skipped:
                host.console.say(
                    f"{skipped} of the releases in between are not on the droplet any more."
                )
            return image, one
        skipped += 1
    if now and not processes.of_release(host, live):
        host.console.say("Nothing is live, and there is nothing further back.")
        return now, live
    make = host.console.make
    raise Stop(
        f"There is nothing further back than {live.name} that is kept on the droplet, so it stays.",
        f"See what there is: {make('releases')}. To put one of them into service: "
        f"{make('rollback RELEASE=ID')}",
    )
