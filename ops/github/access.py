"""The pipeline's access: its SSH key on the droplet, the host key and the secrets at GitHub."""

from __future__ import annotations

from pathlib import Path

from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import PipelineSettings
from ops.github import repositories
from ops.ssh import authorized_keys
from ops.ssh.connection import Host, host_keys, pinned_lines

COMMENT = "digits pipeline"  # behind its key, here and on the droplet
SECRETS = ("DEPLOY_KEY", "DIGITALOCEAN_TOKEN")
VARIABLES = ("DROPLET_HOST_KEY", "DEPLOYMENT_NAME")


def grant(host: Host, public: Path) -> None:
    """Let the pipeline's key in, and remove its earlier ones. Raises Failed."""
    changed = authorized_keys.add(host, public.read_text(), COMMENT)
    if changed:
        removed = " Its earlier key is removed." if changed == "replaced" else ""
        terminal.line(f"The droplet accepts the pipeline's key now.{removed}")
    else:
        terminal.line("The droplet accepts the pipeline's key already.")


def withdraw(settings: PipelineSettings, pinned: Path, ips: list[str]) -> None:
    """Remove the pipeline's key and token for these droplets from GitHub, and its key from here.

    Only if GitHub has the host key of one of them. Otherwise it deploys something else.
    """
    public = settings.public_key
    repository, known = _what_github_knows(settings)
    if repository is None or known is None:
        if public.exists():
            terminal.line(
                f"If GitHub deployed this, it still has {' and '.join(SECRETS)}. It cannot be "
                "asked from here. Remove them there: Settings > Environments > production."
            )
        return
    if not any(knows(known, ip, pinned) for ip in ips):
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
    for file in (settings.private_key, public):
        file.unlink(missing_ok=True)
    terminal.line(
        f"{repository} has no key and no token for this deployment any more. If the token was the "
        f"pipeline's own, delete it: {CONTROL_PANEL}/account/api/tokens"
    )


def known_hosts(hosts: list[Host]) -> str:
    """The lines of the pinned host keys that are these droplets'. Raises Failed."""
    lines = []
    for host in hosts:
        its = pinned_lines(host.ip, host.settings.pinned)
        if not its:
            raise Failed(
                f"The droplet's host key is not in {host.settings.pinned}.",
                f"Run this where {make('deploy')} ran, or look at the droplet once: "
                f"{make('status')}",
            )
        lines += its
    return "\n".join(lines)


def knows(github: str, ip: str, pinned: Path) -> bool:
    """Whether the lines that GitHub has hold the host key that is pinned for this address."""
    ours = host_keys(pinned_lines(ip, pinned))
    return not ours.isdisjoint(host_keys(github.splitlines()))


def renew(settings: PipelineSettings, hosts: list[Host]) -> None:
    """Give the pipeline access to droplets that were recreated. Raises Failed.

    Does nothing where there is no pipeline, or where it knows these.
    """
    public = settings.public_key
    if not public.exists():
        return
    key = public.read_text().split()[1]
    others = [one for one in hosts if key not in one.must("cat /root/.ssh/authorized_keys")]
    for host in others:
        terminal.line()
        terminal.line("This is another droplet than the pipeline knows.")
        grant(host, public)
    repository, known = _what_github_knows(settings)
    if repository is None or known is None:
        if others:
            terminal.line(f"GitHub has to know its host key: {make('pipeline')}")
        return
    # Without one, no pipeline deploys this.
    if not known or all(knows(known, one.ip, one.settings.pinned) for one in hosts):
        return
    try:
        repository.set_variable("DROPLET_HOST_KEY", known_hosts(hosts))
    except Failed as error:
        terminal.failure(error)
        terminal.line(f"GitHub does not know its host key yet: {make('pipeline')}")
        return
    terminal.line("GitHub knows its host key now: the next push goes through.")


def _what_github_knows(
    settings: PipelineSettings,
) -> tuple[repositories.Repository | None, str | None]:
    """The repository, and the host keys that it knows; None where that cannot be asked."""
    if repositories.why_not_asked():
        return None, None
    try:
        repository = repositories.repository(settings.repository)
    except Failed:
        return None, None
    return repository, repository.variable("DROPLET_HOST_KEY")
