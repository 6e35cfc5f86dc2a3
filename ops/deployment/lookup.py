"""Which droplets are this deployment's, and where its page is: the one rule of every verb.

The droplet is the one in Terraform's state. Where there is no state (in the pipeline, in another
clone) it is the one with the tag; where several have it, none is chosen. The page's address is the
droplet's reserved IP; the droplet's own is for ssh. Behind a load balancer the other droplets have
the tag, too, and a number in their names: digits-2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ops.cloud.api import CONTROL_PANEL, Cloud, CloudError, Droplet
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import (
    Selection,
    Settings,
    SiteSettings,
    SshSettings,
    TerraformSettings,
)
from ops.page import site
from ops.ssh.connection import Host
from ops.terraform.state import DROPLET, FIRST, Resource, deployed_name, resources

if TYPE_CHECKING:
    from ops.cloud.load_balancer import Balancer


def find(settings: Settings) -> Deployment:
    """The deployment that the settings name."""
    return Deployment(
        Cloud(settings.account), settings.selected, settings.terraform, settings.ssh, settings.site
    )


@dataclass(eq=False)
class Deployment:
    """The deployment of a verb. What is asked of it is looked up once, when it is first needed.

    Its attributes raise CloudError, StateError, and Failed if several droplets could be meant.
    """

    cloud: Cloud
    selected: Selection
    _terraform: TerraformSettings
    _ssh: SshSettings
    _site: SiteSettings

    @cached_property
    def state(self) -> list[Resource]:
        """What Terraform's state holds of it; nothing where there is no state."""
        return resources(self._terraform)

    @cached_property
    def name(self) -> str:
        """Its name: Terraform's, where it was made here, else the one that is set."""
        return deployed_name(self.state) or self.selected.name

    @cached_property
    def made_here(self) -> Droplet | None:
        """The first droplet that Terraform made from here, if it still exists."""
        made = [one for one in self.state if one.kind == DROPLET and one.key]
        keys = [one.key for one in made if one.address == FIRST] or [one.key for one in made]
        there = [droplet for droplet in map(self.cloud.droplet, keys) if droplet]
        if len(there) > 1:
            raise _ambiguous("Terraform's state holds", there)
        return there[0] if there else None

    @cached_property
    def first(self) -> Droplet | None:
        """The first droplet, or None if there is none yet."""
        if self.selected.droplet_ip:
            return Droplet("", self.selected.droplet_ip)
        wanted, mine = self.selected.name, self.made_here
        if mine and wanted in (self.name, *mine.tags):
            return mine
        there = _without_the_others(self.cloud.droplets(wanted), wanted)
        if mine and there:
            raise _ambiguous(
                f"Terraform made {self.name} from here, and {wanted}, the name that is set now, "
                "is another deployment's:",
                [mine, *there],
            )
        if len(there) > 1:
            raise _ambiguous(f"{len(there)} droplets carry the tag {wanted}:", there)
        return mine or (there[0] if there else None)

    @cached_property
    def droplets(self) -> list[Droplet]:
        """Every droplet, the first one first; none if there is none yet."""
        if self.first is None or self.selected.droplet_ip:
            return [self.first] if self.first else []
        return self.with_others(self.first)

    def with_others(self, first: Droplet) -> list[Droplet]:
        """This first droplet and those beside it."""
        tagged = self.cloud.droplets(self.name)
        others = [one for one in tagged if number_of(one.name, self.name) and one.key != first.key]
        return [first, *sorted(others, key=lambda one: number_of(one.name, self.name))]

    @property
    def several(self) -> bool:
        """Whether there is more than one droplet."""
        return len(self.droplets) > 1

    @property
    def reachable(self) -> list[Droplet]:
        """Its droplets that have an address. Raises Failed if there is none."""
        found = [one for one in self.droplets if one.ip]
        if not found:
            raise Failed("No droplet carries the deployment's tag.", f"Make one: {make('deploy')}")
        return found

    @property
    def first_on(self) -> Droplet:
        """The first droplet; where that one is turned off, another. Raises Failed if none."""
        there = self.reachable
        return next((one for one in there if not one.is_off), there[0])

    @property
    def chosen(self) -> Droplet:
        """The droplet that DROPLET names, else the first. Raises Failed if there is none."""
        wanted = self.selected.droplet
        if not wanted or self.selected.droplet_ip:
            return self.first_on
        for one in self.droplets:
            if one.name == wanted and one.ip:
                return one
        names = ", ".join(one.name for one in self.droplets) or "none yet"
        raise Failed(
            f"No droplet of this deployment is called {wanted}. There is: {names}.",
            "Run the same command without DROPLET"
            + (f", or with DROPLET={self.droplets[0].name}" if self.droplets else ""),
        )

    def host(self, droplet: Droplet) -> Host:
        """The way to a droplet by ssh."""
        return Host(self._ssh, droplet.ip or "", droplet.name)

    @cached_property
    def balancer(self) -> Balancer | None:
        """What stands before several droplets; nothing before one."""
        if self.selected.droplet_ip or not (self.several or self._may_be_left_of_several):
            return None
        from ops.cloud import load_balancer

        try:
            return load_balancer.find(self.cloud, self.name)
        except CloudError as error:
            # A token for one droplet needs no scope for load balancers.
            if self.several or error.status != 403:
                raise
            return None

    @property
    def _may_be_left_of_several(self) -> bool:
        """Whether this single droplet may still be behind the load balancer.

        Terraform's state has the others then; where there is no state, as in the pipeline, it may.
        """
        droplets = [one.address for one in self.state if one.kind == DROPLET]
        return not droplets or any(address != FIRST for address in droplets)

    @cached_property
    def own_address(self) -> str:
        """The first droplet's reserved IP, whatever stands before it; else its own address."""
        for reserved in self.cloud.reserved_ips():
            if self.first and reserved.droplet == self.first.key:
                return reserved.ip
        return (self.first.ip if self.first else "") or ""

    @property
    def public_ip(self) -> str:
        """The page's IP address: of several droplets their balancer's."""
        return self.balancer.ip if self.balancer else self.own_address

    @property
    def site(self) -> str:
        """The address in the page's URL. Raises Failed if there is no droplet.

        A balancer with a certificate answers by the name that it is for.
        """
        if self.selected.droplet_ip:
            return self.selected.droplet_ip
        _ = self.reachable
        if self._site.domain and self.balancer and self.balancer.is_secure:
            return self._site.domain
        return self.public_ip

    @cached_property
    def url(self) -> str:
        """The page's URL. Raises Failed if there is no droplet."""
        return site.url(self._site, self.site, balanced=self.balancer is not None)

    @property
    def untracked(self) -> list[Droplet]:
        """The droplets with its tag that Terraform, here, did not make.

        Without the state this cannot be known.
        """
        made = {one.key for one in self.state if one.kind == DROPLET}
        if not made or self.selected.droplet_ip:
            return []
        return [
            one
            for one in self.cloud.droplets(self.name)
            if one.key not in made and not number_of(one.name, self.name)
        ]


def about_untracked(deployment: Deployment, others: list[Droplet]) -> tuple[str, str]:
    """What strangers are and mean, and the one thing to do."""
    listed = "; ".join(f"{one}, ${one.dollars_a_month:g} a month" for one in others)
    what = f"The tag {deployment.name} is also on a droplet that was not made from here: {listed}."
    place = f"{CONTROL_PANEL}/droplets/{others[0].key}"
    return (
        f"{what} It gets no releases, and destroy does not remove it.",
        f"Remove it, or take the tag off it: {place}",
    )


def number_of(droplet: str, deployment: str) -> int:
    """The number in a droplet's name: digits-2 is the second; 0 if the name has none."""
    number = droplet.removeprefix(f"{deployment}-")
    return int(number) if number != droplet and number.isdecimal() else 0


def _without_the_others(droplets: list[Droplet], deployment: str) -> list[Droplet]:
    """Those that may be the first: one with a number is none."""
    return [one for one in droplets if not number_of(one.name, deployment)] or droplets


def _ambiguous(problem: str, there: list[Droplet]) -> Failed:
    listed = "; ".join(map(str, there))
    return Failed(
        f"{problem} {listed}. Which of them is meant is not clear, so nothing was done.",
        f"Run this where {make('deploy')} ran: Terraform's state there knows which. Or "
        "name the right one: export TF_VAR_name=...",
        f"Or remove the other one, or its tag: {CONTROL_PANEL}/droplets",
    )
