"""make pipeline: let GitHub Actions deploy to the droplet that this laptop deployed.

Makes a key of the pipeline's own, lets it in on the droplet, and sets what
.github/workflows/deploy.yml needs; where gh is missing, prints the commands instead.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from ops import backups, deployment, fleet, github, pipeline_way_in, prices, say
from ops.programs import need
from ops.settings import Settings


def run(settings: Settings, _arguments: list[str]) -> None:
    """Make the key, let it in, tell GitHub. Raises Failed."""
    need("ssh-keygen")
    droplets = [one.droplet for one in fleet.members(settings)]
    name = deployment.name(settings)

    say.phase("A key of the pipeline's own")
    public = _key(settings.pipeline_key)
    for droplet in droplets:
        pipeline_way_in.let_in(droplet, public)
    backups.bring_newest(settings, droplets[0])

    say.phase("What the pipeline needs to know")
    host_key = pipeline_way_in.all_pinned_lines(settings, droplets)
    if github.why_not_asked():
        say.line(_by_hand(settings, name, host_key))
        return
    _tell_github(settings, name, host_key)
    say.line()
    say.done("A push to main is live when its tests have passed. Watch it: gh run watch")


def _key(key: Path) -> Path:
    """The public half of the pipeline's key, which is made if it is not there."""
    if key.exists():
        say.line(f"{key} is there already.")
    else:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "digits pipeline"]
        subprocess.run([*command, "-f", str(key)], check=True)
        say.line(f"Made {key}. With it, whoever can push to main is root on the droplet.")
    return key.with_name(f"{key.name}.pub")


def _tell_github(settings: Settings, name: str, host_key: str) -> None:
    # Its secrets are for main alone, whatever the workflows of another branch say.
    if not github.make_environment():
        say.line(
            "GitHub does not limit this environment to main (a private repository on a free "
            "plan): whoever may push a branch may deploy."
        )
    github.set_secret("DEPLOY_KEY", settings.pipeline_key.read_text())
    github.set_secret("DIGITALOCEAN_TOKEN", settings.pipeline_token or settings.token)
    if not settings.pipeline_token:
        balancers = ", and load balancers," if prices.number(settings.droplets) > 1 else ""
        say.line(
            "The pipeline got your own token. One that may only read droplets and reserved "
            f"IPs{balancers} is enough: "
            f"{settings.verb('pipeline PIPELINE_TOKEN=...')}"
        )
    # The workflows look for this name, and for "digits" without one.
    if name == "digits":
        github.delete_variable("DEPLOYMENT_NAME")  # another name's, from before
    else:
        github.set_variable("DEPLOYMENT_NAME", name)
    # Last: the pipeline deploys from the moment it is there.
    github.set_variable("DROPLET_HOST_KEY", host_key)


def _by_hand(settings: Settings, name: str, host_key: str) -> str:
    another = f"\n  gh variable set DEPLOYMENT_NAME --body '{name}'" if name != "digits" else ""
    return f"""GitHub's tool gh is not here, or not logged in (https://cli.github.com, gh auth login).
With it, run {settings.verb("pipeline")} again; or run these, on any machine that has it and these files:

  {github.LIMIT_TO_MAIN}
  gh secret set DEPLOY_KEY --env production < {settings.pipeline_key}
  gh secret set DIGITALOCEAN_TOKEN --env production   # it asks; one that may read droplets and reserved IPs is enough{another}
  gh variable set DROPLET_HOST_KEY --body '{host_key}'

Or by hand, on GitHub: Settings > Environments > New environment "production" (the two
secrets), and Settings > Secrets and variables > Actions > Variables (what is a variable).
"""  # noqa: E501 - commands to be copied as they are
