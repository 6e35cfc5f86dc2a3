"""From one droplet to several: the balancer answers before the first is closed to all others."""

from __future__ import annotations

from ops.provision import growing
from ops.terraform.plan import Plan, read_plan
from tests.fleet.test_fleet import FLEET
from tests.project import APPLY, Terraform

ONLY_IT = (f"-target={growing.BALANCER}",)


def is_needed(terraform: Terraform, *settings: str) -> bool:
    """Whether this plan is one that the balancer has to come before."""
    terraform.good("plan", "-input=false", "-out=plan", *settings)
    data = read_plan(terraform.good("show", "-json", "plan"))
    return Plan(terraform.folder / "plan", data).closes_first_droplet


def test_only_where_a_live_droplet_would_be_closed(terraform: Terraform) -> None:
    assert not is_needed(terraform)
    assert not is_needed(terraform, *FLEET)  # nobody is served yet
    terraform.good(*APPLY)
    assert not is_needed(terraform)
    assert is_needed(terraform, *FLEET)
    # Not while its own address stays open.
    assert not is_needed(terraform, *FLEET, "-var", "old_address_open=true")
    # Cut off after it: the rest is still to come.
    terraform.good(*APPLY, *FLEET, *ONLY_IT)
    assert is_needed(terraform, *FLEET)
    terraform.good(*APPLY, *FLEET)
    assert not is_needed(terraform, *FLEET)
    assert not is_needed(terraform, "-var", "managed_database=true")
