"""The pipeline's access: its SSH key on the droplet, the host key and the secrets at GitHub."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.github import repositories
from ops.ssh.connection import Droplet, pinned_keys

COMMENT = "digits pipeline"  # behind its key, here and on the droplet
SECRETS = ("DEPLOY_KEY", "DIGITALOCEAN_TOKEN")
VARIABLES = ("DROPLET_HOST_KEY", "DEPLOYMENT_NAME")

# The key comes over stdin. It replaces every key that a pipeline had before.
_GRANT = f"""set -e
umask 077
read -r key
keys=/root/.ssh/authorized_keys
others=$(grep -v ' {COMMENT}$' $keys || :)
printf '%s\\n' "$others" "$key" | sed '/^$/d' >$keys.new
if cmp -s $keys $keys.new; then
  echo "The droplet accepts the pipeline's key already."
elif grep -v -xF "$key" $keys | grep -q ' {COMMENT}$'; then
  echo "The droplet accepts the pipeline's key now. Its earlier key is removed."
else
  echo "The droplet accepts the pipeline's key now."
fi
mv $keys.new $keys
"""


def grant(droplet: Droplet, public: Path) -> None:
    """Put this public key on the droplet, and remove the pipeline's earlier ones. Raises Failed."""
    line = " ".join([*public.read_text().split()[:2], COMMENT])
    droplet.show(_GRANT, stdin=f"{line}\n".encode())


def withdraw(settings: Settings, ips: list[str]) -> None:
    """Remove the pipeline's key and token for these droplets from GitHub, and its key from here.

    Only if GitHub has the host key of one of them. Otherwise it deploys something else.
    """
    public = settings.pipeline_key.with_name(f"{settings.pipeline_key.name}.pub")
    repository, told = _what_github_knows(settings)
    if repository is None or told is None:
        if public.exists():
            terminal.line(
                f"If GitHub deployed this, it still has {' and '.join(SECRETS)}. It cannot be "
                "asked from here. Remove them there: Settings > Environments > production."
            )
        return
    known = _keys(told)
    if not any(known & pinned_keys(ip, settings.pins) for ip in ips):
        return
    try:
        for name in VARIABLES:
            repository.delete_variable(name)
        for name in SECRETS:
            repository.delete_secret(name)
    except Failed as error:
        terminal.failure(error)
        terminal.line(
            f"{repository} may still have {' and '.join(SECRETS)}. Remove them there: "
            "Settings > Environments > production."
        )
        return
    for file in (settings.pipeline_key, public):
        file.unlink(missing_ok=True)
    terminal.line(
        f"{repository} has no key and no token for this deployment any more. If the token was the "
        f"pipeline's own, delete it: {CONTROL_PANEL}/account/api/tokens"
    )


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
    """Give the pipeline access to droplets that were recreated. Raises Failed.

    Does nothing where there is no pipeline, or where it knows these.
    """
    public = settings.pipeline_key.with_name(f"{settings.pipeline_key.name}.pub")
    if not public.exists():
        return
    key = public.read_text().split()[1]
    others = [one for one in droplets if key not in one.must("cat /root/.ssh/authorized_keys")]
    for droplet in others:
        terminal.line()
        terminal.line("This is another droplet than the pipeline knows.")
        grant(droplet, public)
    repository, told = _what_github_knows(settings)
    if repository is None or told is None:
        if others:
            terminal.line(f"GitHub has to know its host key: {settings.verb('pipeline')}")
        return
    # Without one, no pipeline deploys this.
    known = _keys(told)
    if not told or all(known & pinned_keys(one.ip, settings.pins) for one in droplets):
        return
    try:
        repository.set_variable("DROPLET_HOST_KEY", all_pinned_lines(settings, droplets))
    except Failed as error:
        terminal.failure(error)
        terminal.line(f"GitHub does not know its host key yet: {settings.verb('pipeline')}")
        return
    terminal.line("GitHub knows its host key now: the next push goes through.")


def _what_github_knows(settings: Settings) -> tuple[repositories.Repository | None, str | None]:
    """The repository, and the host keys that it knows; None where that cannot be asked."""
    if repositories.why_not_asked():
        return None, None
    try:
        repository = repositories.repository(settings.repository)
    except Failed:
        return None, None
    return repository, repository.variable("DROPLET_HOST_KEY")


def _keys(told: str) -> set[str]:
    """The keys in lines of known_hosts, whatever address they are for."""
    return {words[2] for line in told.splitlines() if len(words := line.split()) > 2}
