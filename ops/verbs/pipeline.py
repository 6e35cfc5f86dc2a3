"""make pipeline: let GitHub Actions deploy to the droplet that this laptop deployed.

Makes a key of the pipeline's own, puts it on the droplet, and sets what
.github/workflows/deploy.yml needs; where gh is missing, prints the commands instead.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from ops.backup import local_backup
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import need
from ops.console.settings import PipelineSettings, Settings
from ops.deployment import lookup
from ops.github import access, repositories
from ops.github.repositories import Repository

TOKEN = "DIGITALOCEAN_TOKEN"
MINE = "mine"  # in place of a token for the pipeline: the one that this laptop uses


def run(settings: Settings, _arguments: list[str]) -> None:
    """Make the key, put it on the droplet, set what GitHub needs. Raises Failed."""
    need("ssh-keygen")
    # Before anything is made: with the key, one is root on the droplet.
    why_not = repositories.why_not_asked()
    repository = _by_hand_for(settings.pipeline) if why_not else _agreed(settings)
    token = "" if why_not else _token(settings, repository)
    deployment = lookup.find(settings)
    hosts = [deployment.host(one) for one in deployment.reachable]
    name = deployment.name

    terminal.phase("A key of the pipeline's own")
    public = _key(settings.pipeline.private_key)
    for host in hosts:
        access.grant(host, public)
    local_backup.bring_newest(settings.backups, name, hosts[0])

    terminal.phase("What the pipeline needs to know")
    host_key = access.known_hosts(hosts)
    if why_not:
        terminal.line(_by_hand(settings.pipeline, repository, name, host_key))
        return
    _tell_github(settings.pipeline, repository, name, host_key, token)
    terminal.line()
    terminal.done(
        "A push to main is live when its tests have passed. Watch it: "
        f"gh run watch --repo {repository}"
    )


def _agreed(settings: Settings) -> Repository:
    """The repository that gets the secrets, shown and asked for. Raises Failed."""
    repository = repositories.repository(settings.pipeline.repository)
    terminal.phase("Which repository")
    others = [one for one in repositories.remotes() if str(one) != str(repository)]
    terminal.line(
        f"{repository}{f', the remote {repository.remote},' if repository.remote else ''} will get "
        "a key that is root on the droplet, and a token to your account."
    )
    if others:
        terminal.line(f"Not these: {repositories.described(others)}.")
    terminal.line("For another repository: export GH_REPO=owner/name")
    terminal.confirm("Go on?", str(repository), settings.consent.confirm)
    return repository


def _by_hand_for(settings: PipelineSettings) -> Repository:
    """The repository in the commands that are printed; where it is not known, words for it."""
    try:
        return repositories.repository(settings.repository)
    except Failed:
        return Repository("OWNER/NAME")


def _key(key: Path) -> Path:
    """The public half of the pipeline's key, which is made if it is not there."""
    if key.exists():
        terminal.line(f"{key} is there already.")
    else:
        comment = access.COMMENT
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment]
        subprocess.run([*command, "-f", str(key)], check=True)
        terminal.line(
            f"Made {key}. With it, everybody who can push to main is root on the droplet."
        )
    return key.with_name(f"{key.name}.pub")


def _token(settings: Settings, repository: Repository) -> str:
    """The token that the pipeline gets: one of its own, or yours if you say so. Raises Failed.

    It is empty if the pipeline keeps the one that it has.
    """
    if not settings.pipeline.token and TOKEN in (repository.secrets() or ()):
        another = make("pipeline")
        terminal.line(
            f"It keeps the token that it has. For another: PIPELINE_TOKEN=... with {another}"
        )
        return ""
    balancers = ", and load balancers," if settings.scale.several else ""
    scopes = f"a token that may only read droplets and reserved IPs{balancers} is enough"
    given = settings.pipeline.token or terminal.ask_secret(
        f"The pipeline needs a token of its own: {scopes}.\n"
        f"Make one ({CONTROL_PANEL}/account/api/tokens) and paste it here; it is not shown.\n"
        f"To hand over your own, which may do everything, type {MINE}: "
    )
    if given == MINE:
        terminal.line("The pipeline gets your own token.")
        return settings.account.token
    if given:
        return given
    raise Failed(
        f"The pipeline has no token, so nothing was made: {scopes}.",
        f"Make one ({CONTROL_PANEL}/account/api/tokens), export PIPELINE_TOKEN=dop_v1_..., then: "
        f"{make('pipeline')}. To hand over your own: "
        f"{make(f'pipeline PIPELINE_TOKEN={MINE}')}",
    )


def _tell_github(
    settings: PipelineSettings, repository: Repository, name: str, host_key: str, token: str
) -> None:
    # Its secrets are for main alone, whatever the workflows of another branch say.
    if not repository.make_environment():
        terminal.line(
            "GitHub does not limit this environment to main (a private repository on a free "
            "plan): everybody who may push a branch may deploy."
        )
    repository.set_secret("DEPLOY_KEY", settings.private_key.read_text())
    if token:
        repository.set_secret(TOKEN, token)
    # The workflows look for this name, and for "digits" without one.
    if name == "digits":
        repository.delete_variable("DEPLOYMENT_NAME")  # another name's, from before
    else:
        repository.set_variable("DEPLOYMENT_NAME", name)
    # Last: the pipeline deploys from the moment it is there.
    repository.set_variable("DROPLET_HOST_KEY", host_key)


def _by_hand(settings: PipelineSettings, repository: Repository, name: str, host_key: str) -> str:
    to = f"--repo {repository}"
    another = (
        f"\n  gh variable set DEPLOYMENT_NAME {to} --body '{name}'" if name != "digits" else ""
    )
    return f"""GitHub's tool gh is not here, or not logged in (https://cli.github.com, gh auth login).
With it, run {make("pipeline")} again; or run these, on any machine that has it and these files:

  {repository.by_hand}
  gh secret set DEPLOY_KEY {to} --env production < {settings.private_key}
  gh secret set DIGITALOCEAN_TOKEN {to} --env production   # it asks; one that may read droplets and reserved IPs is enough{another}
  gh variable set DROPLET_HOST_KEY {to} --body '{host_key}'

Or by hand, on GitHub: Settings > Environments > New environment "production" (the two
secrets), and Settings > Secrets and variables > Actions > Variables (what is a variable).
"""  # noqa: E501 - commands to be copied as they are
