"""The account at DigitalOcean: the token, what is there already, and what is to be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ops.adoption import conflicts
from ops.cloud import prices
from ops.cloud.api import CONTROL_PANEL, Cloud, CloudError, Size
from ops.console.errors import Failed
from ops.console.make import make
from ops.deployment import processes
from ops.deployment.account import AccountResource
from ops.deployment.lookup import about_untracked
from ops.doctor.findings import Patient, Skipped, Warned
from ops.terraform.state import RESERVED_IP, deployed_name

Answer = TypeVar("Answer")
LISTS = {
    "droplets": "droplet",
    "firewalls": "firewall",
    "projects": "project",
    "reserved_ips": "reserved_ip",
    "account/keys": "ssh_key",
    "tags": "tag",
}
SMALLEST_MB = 1024  # the app may take 600 MB, and during a release there are two of it


def token(patient: Patient) -> str:
    """The token opens the account, and the account is in order."""
    try:
        status = patient.cloud.account_status()
    except CloudError as error:
        if error.status != 403:
            raise
        # Nothing needs to read the account itself, and the answer proves the token.
        patient.account = True
        return "valid (it may not read the account, which nothing here needs)"
    patient.account = True
    if status == "locked":
        raise Failed(
            "The account is locked: DigitalOcean makes nothing in it.",
            f"Ask why: {CONTROL_PANEL}/support",
        )
    return f"valid; the account is {status}"


def scopes(patient: Patient) -> str:
    """What the token may read; what it may write shows only in writing."""
    patient.need_account()
    lists = LISTS | ({"spaces/keys": "spaces_key"} if patient.settings.offsite.bucket else {})
    need_scopes(patient.cloud, lists, "every deployment")
    return (
        f"it may read {', '.join(lists.values())}; whether it may write them, too, cannot be "
        "found out by reading"
    )


def need_scopes(cloud: Cloud, lists: Mapping[str, str], who: str) -> None:
    """The token may read these lists, each named with its scope. Raises Failed."""
    if missing := [scope for path, scope in lists.items() if not cloud.may_read(path)]:
        raise Failed(
            f"The token may not read {', '.join(missing)} (403), which {who} needs.",
            "Make one with Full Access, or with read and write, too, on "
            f"{', '.join(lists.values())}: {CONTROL_PANEL}/account/api/tokens",
        )


def _catalogue(ask: Callable[[], Answer]) -> Answer:
    """What DigitalOcean offers, if the token may ask; to deploy it need not."""
    try:
        return ask()
    except CloudError as error:
        if error.status == 403:
            raise Skipped("the token may not ask what there is (403)") from error
        raise


def key_is_new(patient: Patient) -> str:
    """DigitalOcean takes each SSH key once; Terraform gives it this one."""
    patient.need_account()
    settings = patient.settings
    words = settings.terraform.public_key.split()
    if len(words) < 2:
        raise Skipped("needs the SSH key")
    key = words[1]
    name = _catalogue(patient.cloud.keys).get(key)
    if name is None:
        return "your account does not have it yet; Terraform adds it"
    if any(made.kind == "digitalocean_ssh_key" for made in patient.deployment.state):
        return f"your account has it as {name}"
    if name == settings.selected.name:
        raise Skipped(f"your account has it as {name}: an earlier deployment's")
    raise Failed(
        f"Your account has this SSH key already, as {name}, and takes each key only once.",
        "Make one for this deployment: ssh-keygen -t ed25519 -f ~/.ssh/digits",
        "export TF_VAR_ssh_public_key_path=~/.ssh/digits.pub "
        "ANSIBLE_PRIVATE_KEY_FILE=~/.ssh/digits",
    )


def nothing_else(patient: Patient) -> str:
    """The account has nothing of this name that Terraform, here, does not know."""
    patient.need_account()
    settings = patient.settings
    name, state = settings.selected.name, patient.deployment.state
    in_the_way = conflicts.find(patient.cloud, name, state, settings.terraform.public_key)
    if not in_the_way:
        if others := patient.deployment.untracked:
            raise Warned(*about_untracked(patient.deployment, others))
        return f"all there is of {name} in the account was made from here"
    raise Failed(
        f"Your account has this of {name} already, and Terraform here does not know it: "
        f"{conflicts.described(in_the_way)}. It would make another, or fail on the name.",
        *_next_steps(name, in_the_way, deployed_name(state)),
    )


def _next_steps(name: str, in_the_way: list[AccountResource], made: str) -> list[str]:
    another = f"For another deployment beside it: export TF_VAR_name={name}-2"
    if made not in ("", name):
        # One state holds one deployment.
        return [f"go on with the one that was made from here: export TF_VAR_name={made}", another]
    adopt = f"go on with it from here: {make('adopt')}"
    if any(one.billed for one in in_the_way):
        return [adopt, another]
    return [adopt, f"If it is not needed, remove it: {CONTROL_PANEL}", another]


def reserved_ip(patient: Patient) -> str:
    """The account has the site's reserved IP, or may have one more. Else Terraform would fail."""
    patient.need_account()
    limit = (
        _catalogue(lambda: patient.cloud.get("account/"))
        .get("account", {})
        .get("reserved_ip_limit")
    )
    there = _catalogue(patient.cloud.reserved_ips)
    ours = {one.key for one in patient.deployment.state if one.kind == RESERVED_IP}
    if ours & {one.ip for one in there}:
        return "the site has its own"
    if limit and len(there) >= int(limit):
        listed = ", ".join(f"{one.ip}{'' if one.droplet else ' (on no droplet)'}" for one in there)
        raise Failed(
            f"The site needs a reserved IP, and the account has all {limit} that it may have: "
            f"{listed}.",
            f"Give one back that nobody needs: {CONTROL_PANEL}/networking/reserved_ips. Or ask for "
            f"more: {CONTROL_PANEL}/account/team/droplet_limit_increase",
        )
    return f"the account has {len(there)}, and may have one more for the site"


def region(patient: Patient) -> str:
    """The region exists and takes new droplets."""
    patient.need_account()
    wanted = patient.settings.terraform.region
    there = _catalogue(patient.cloud.regions)
    if wanted in there:
        return wanted
    if any(
        made.region == wanted for made in patient.cloud.droplets(patient.settings.selected.name)
    ):
        return f"{wanted}: it takes no new droplets now; yours is there already"
    raise Failed(
        f"DigitalOcean has no region {wanted} that takes new droplets.",
        f"export TF_VAR_region=fra1   (or one of: {' '.join(there)})",
    )


def size(patient: Patient) -> str:
    """The size exists, is to be had in the region, and costs this much."""
    patient.need_account()
    settings = patient.settings
    slug, where = settings.terraform.size, settings.terraform.region
    there = _catalogue(patient.cloud.sizes)
    others = f"(or one of: {' '.join(_sizes_that_do(there, where)[:6])} ...)"
    if slug not in there:
        raise Failed(
            f"DigitalOcean has no size {slug}.", f"export TF_VAR_size=s-1vcpu-1gb   {others}"
        )
    found = there[slug]
    if found.memory_mb < SMALLEST_MB:
        raise Failed(
            f"{slug} has {found.memory_mb} MB of memory; the app and its database need "
            f"{SMALLEST_MB}.",
            f"export TF_VAR_size=s-1vcpu-1gb   {others}",
        )
    made = [(one.region, one.size) for one in patient.cloud.droplets(settings.selected.name)]
    if where not in found.regions and (where, slug) not in made:
        elsewhere = sorted(found.regions)
        raise Failed(
            f"The size {slug} is not to be had in {where} now.",
            f"export TF_VAR_region={elsewhere[0]}"
            if elsewhere
            else "export TF_VAR_size=s-1vcpu-1gb",
        )
    app = processes.description(settings.scale, found.processors, found.memory_mb)
    return (
        f"{slug}: {found.processors} vCPU, {found.memory_mb} MB of memory, "
        f"{found.disk_gb} GB disk, ${found.dollars_a_month:g} a month{'; ' if app else ''}{app}"
    )


def droplet_backups(patient: Patient) -> str:
    """DigitalOcean's own backups, and what they cost."""
    often = patient.settings.scale.droplet_backups
    if often not in prices.BACKUPS:
        raise Failed(
            f"TF_VAR_backups={often} is neither off, weekly nor daily.",
            "export TF_VAR_backups=weekly",
        )
    if often == "off":
        return "DigitalOcean's own are off"
    share = prices.BACKUPS[often]
    try:
        size = patient.cloud.sizes()[patient.settings.terraform.size]
    except (CloudError, LookupError):
        return f"DigitalOcean makes them {often}, for {share:.0%} of the droplet's price"
    price = f"${size.dollars_a_month * share:.2f} a month"
    return f"DigitalOcean makes them {often}: {share:.0%} of the droplet's price, {price} more"


def _sizes_that_do(there: dict[str, Size], region: str) -> list[str]:
    """What may be suggested, the cheapest first."""
    return [
        size.slug
        for size in sorted(there.values(), key=lambda size: size.dollars_a_month)
        if region in size.regions and size.memory_mb >= SMALLEST_MB
    ]
