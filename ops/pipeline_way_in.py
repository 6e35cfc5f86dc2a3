"""The pipeline's way into the droplet: its key let in there, the host key that GitHub knows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ops import github, say
from ops.errors import Failed
from ops.settings import Settings
from ops.ssh import Droplet, pinned_keys

# The key goes over stdin; grep keeps the second run from adding it again.
_LET_IN = """read -r key
grep -qxF "$key" /root/.ssh/authorized_keys && echo "The droplet lets it in already." && exit
printf "%s\\n" "$key" >>/root/.ssh/authorized_keys && echo "The droplet lets it in now."
"""


def let_in(droplet: Droplet, public: Path) -> None:
    """Let this public key in on the droplet. Raises Failed."""
    droplet.show(_LET_IN, stdin=public.read_bytes())


def all_pinned_lines(settings: Settings, droplets: list[Droplet]) -> str:
    """The lines of the pinned host keys that are these droplets'. Raises Failed."""
    return "\n".join(pinned_lines(settings, droplet.ip) for droplet in droplets)


def pinned_lines(settings: Settings, ip: str) -> str:
    """The lines of the pinned host keys that are the droplet's. Raises Failed."""
    done = subprocess.run(
        ["ssh-keygen", "-F", ip, "-f", settings.pins], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    if not lines:
        raise Failed(
            f"The droplet's host key is not in {settings.pins}.",
            f"Run this where {settings.verb('deploy')} ran, or look at the droplet once: "
            f"{settings.verb('status')}",
        )
    return "\n".join(lines)


def renew(settings: Settings, droplets: list[Droplet]) -> None:
    """Give the pipeline its way into droplets that were made anew. Raises Failed.

    Does nothing where there is no pipeline, or where it knows these.
    """
    public = settings.pipeline_key.with_name(f"{settings.pipeline_key.name}.pub")
    if not public.exists():
        return
    key = public.read_text().split()[1]
    others = [one for one in droplets if key not in one.must("cat /root/.ssh/authorized_keys")]
    for droplet in others:
        say.line()
        say.line("This is another droplet than the pipeline knows.")
        let_in(droplet, public)
    repository, told = _what_github_knows(settings)
    if repository is None or told is None:
        if others:
            say.line(f"GitHub has to know its host key: {settings.verb('pipeline')}")
        return
    # Without one, no pipeline deploys this.
    known = _keys(told)
    if not told or all(known & pinned_keys(one.ip, settings.pins) for one in droplets):
        return
    try:
        repository.set_variable("DROPLET_HOST_KEY", all_pinned_lines(settings, droplets))
    except Failed as error:
        say.failure(error)
        say.line(f"GitHub does not know its host key yet: {settings.verb('pipeline')}")
        return
    say.line("GitHub knows its host key now: the next push goes through.")


def _what_github_knows(settings: Settings) -> tuple[github.Repository | None, str | None]:
    """The repository, and the host keys that it knows; None where that cannot be asked."""
    if github.why_not_asked():
        return None, None
    try:
        repository = github.repository(settings.repository)
    except Failed:
        return None, None
    return repository, repository.variable("DROPLET_HOST_KEY")


def _keys(told: str) -> set[str]:
    """The keys in lines of known_hosts, whatever address they are for."""
    return {words[2] for line in told.splitlines() if len(words := line.split()) > 2}
