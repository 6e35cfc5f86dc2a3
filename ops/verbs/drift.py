"""make drift: what in the account and on the droplet is not as this project says; changes nothing.

`python -m ops drift` ends with 0 if nothing differs, with 2 if something does, and with 1 if it
could not be found out. make itself ends with 2 for both: its last line names the number.
"""

from __future__ import annotations

from ops.adoption import conflicts
from ops.console import terminal
from ops.console.errors import Differs, Failed
from ops.console.make import make
from ops.console.settings import Settings, TerraformSettings
from ops.deployment import account, lookup
from ops.deployment.lookup import Deployment
from ops.provision import drift
from ops.terraform import earlier
from ops.terraform.run import Terraform
from ops.terraform.state import RESERVED_IP

_SET_UP = "test ! -e /opt/digits/fingerprint || echo yes"


def run(settings: Settings, _arguments: list[str]) -> None:
    """Compare both. Raises Differs if something is not as it should be, and Failed."""
    settings = earlier.keep(settings)
    deployment = lookup.find(settings)
    terminal.phase("The account, and what Terraform would change")
    account_differs = _account_differs(settings.terraform, deployment)
    terminal.phase("The droplets, and what Ansible would change")
    droplets_differ = _droplets_differ(settings, deployment)

    terminal.line()
    terminal.line(f"The account {'differs from' if account_differs else 'is as'} infra/terraform.")
    terminal.line(f"The droplets {'differ from' if droplets_differ else 'are as'} infra/ansible.")
    if account_differs or droplets_differ:
        terminal.line(f"Nothing was changed. {make('deploy')} fixes what differs.")
        raise Differs
    terminal.done("Nothing differs.")


def _account_differs(settings: TerraformSettings, deployment: Deployment) -> bool:
    """Print what differs in the account. Raises Failed if there is nothing to compare."""
    cloud, state, name = deployment.cloud, deployment.state, deployment.name
    there = account.of(cloud, name, state)
    if conflicts.find(cloud, name, state, settings.public_key):
        raise Failed(
            f"Terraform here does not know all that your account has of {name}, so it cannot "
            "compare.",
            f"Import it first: {make('adopt')}",
        )
    if not state:
        raise Failed("Nothing is deployed yet.", f"Make it: {make('deploy')}")
    terraform = Terraform(settings)
    terraform.init()
    with terraform.compare() as plan:
        if plan.differs:
            terraform.show(plan)
    lines = [
        f"{one} (id {one.key}): Terraform does not know it"
        for one in account.unknown_to(state, there)
        if one.kind == "droplet"
    ]
    lines += _detached_addresses(deployment)
    for line in lines:
        terminal.line(line)
    return plan.differs or bool(lines)


def _detached_addresses(deployment: Deployment) -> list[str]:
    """The site's address, if it is not on the droplet: Terraform does not notice."""
    made = {one.key for one in deployment.state if one.kind == RESERVED_IP}
    droplet = deployment.made_here
    return [
        f"reserved ip {reserved.ip}: it is not on the droplet, so nobody reaches the page"
        for reserved in deployment.cloud.reserved_ips()
        if droplet and reserved.ip in made and reserved.droplet != droplet.key
    ]


def _droplets_differ(settings: Settings, deployment: Deployment) -> bool:
    """Print what differs on the droplets. Raises Failed."""
    first = deployment.made_here
    if first is None or not first.ip:
        terminal.line("There is no droplet to look at.")
        return False
    there = deployment.with_others(first)
    off = [one for one in there if one.is_off and len(there) > 1]
    on = [one for one in there if one.ip and one not in off]
    bare = [one for one in on if deployment.host(one).ask(_SET_UP).strip() != "yes"]
    for one in off:
        terminal.line(f"{one.name} is turned off.")
    for one in bare:
        terminal.line(f"The droplet {one.name} is not set up yet.")
    # Ansible's check mode needs a droplet that is set up.
    return bool(bare) or drift.differs(settings) or bool(off)
