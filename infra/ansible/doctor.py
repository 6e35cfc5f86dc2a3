"""Looks at everything a deployment needs and has, and changes nothing.

    python doctor.py                   everything
    python doctor.py --before-deploy   what `make deploy` needs before it begins

One line a finding: ok, FAIL with its one fix, or skip with its reason. Exit
status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import deployment
import digitalocean_api as cloud
import terraform_state
from deployment import verb
from digitalocean_api import CloudError, Droplet, Size, Thing
from leftovers import KINDS, unknown_to
from reach import Unreachable, run_on
from ssh_options import known_hosts

TERRAFORM = terraform_state.TERRAFORM
WORKFLOWS = TERRAFORM.parents[1] / ".github" / "workflows"
KEY_OPENING = re.compile(r"(ssh-|ecdsa-|sk-)\S+ +[A-Za-z0-9+/=]+")
LISTS = {
    "droplets": "droplet",
    "firewalls": "firewall",
    "projects": "project",
    "account/keys": "ssh_key",
    "tags": "tag",
}
Answer = TypeVar("Answer")
DISK_MB, MEMORY_MB = 1024, 50  # less free than this is trouble soon
SMALLEST_MB = 1024  # the app may take 600 MB, and during a release there are two of it
# What Terraform would make a second time, or fail on since its name is taken.
ADDRESSES = {
    "droplet": "digitalocean_droplet.app",
    "firewall": "digitalocean_firewall.app",
    "project": "digitalocean_project.app",
    "ssh key": "digitalocean_ssh_key.deploy",
}
DEPLOY_KEY = Path(
    os.environ.get("DEPLOY_KEY_FILE") or Path(__file__).resolve().parent / "deploy_key"
)
AUTHORIZED = "cat /root/.ssh/authorized_keys"
ENVIRONMENT = "production"  # of the repository on GitHub


class Failed(Exception):
    """A check that fails: what is wrong, and the one thing that mends it."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


class Skipped(Exception):
    """A check that does not apply or cannot be made, and why."""


def output_of(*command: str, seconds: float = 20) -> str | None:
    """What a command prints; None if it fails or is not there."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def setting(name: str) -> str:
    """A Terraform variable: from the environment, or the default in variables.tf."""
    if value := os.environ.get(f"TF_VAR_{name}"):
        return value
    text = (TERRAFORM / "variables.tf").read_text()
    block = re.search(rf'variable "{name}" {{\n(.*?)\n}}', text, re.DOTALL)
    default = re.search(r'^  default += "(.*)"$', block[1], re.MULTILINE) if block else None
    if not default:
        raise Failed(
            f"variables.tf has no default for {name}", f"Name it: export TF_VAR_{name}=..."
        )
    return default[1]


def host_keys(ip: str, pins: Path) -> set[str]:
    """The keys that a file of pinned ones has for this address, hashed or not."""
    found = output_of("ssh-keygen", "-F", ip, "-f", str(pins)) or ""
    lines = [line.split() for line in found.splitlines() if not line.startswith("#")]
    return {words[2] for words in lines if len(words) > 2}


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare: (1, 11, 4)."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


class Doctor:
    """Makes the checks, prints them, and remembers what one means for the next."""

    def __init__(self) -> None:
        self.failures = 0
        self.account = False  # whether the API can be asked
        self.droplet: Droplet | None = None
        self.reached = False  # whether ssh gets in
        self.colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(self, status: str, name: str, text: str) -> None:
        """Print one finding."""
        colour = {"ok": "\033[32m", "FAIL": "\033[31m", "skip": "\033[33m"}[status]
        mark = f"{colour}{status:<4}\033[0m" if self.colours else f"{status:<4}"
        print(f"{mark}  {name:<12}  {text}", flush=True)

    def check(self, name: str, check: Callable[[], str]) -> None:
        """Make one check and print what came of it."""
        try:
            self.say("ok", name, check())
        except Skipped as reason:
            self.say("skip", name, str(reason))
        except Failed as failed:
            self.fail(name, str(failed), failed.fix)
        except Unreachable as error:
            self.fail(name, str(error), error.fix)
        except (CloudError, terraform_state.StateError) as error:
            problem, _, fix = str(error).partition("\n")
            self.fail(name, problem, fix)

    def fail(self, name: str, problem: str, fix: str) -> None:
        """Print a failure and its fix."""
        self.failures += 1
        self.say("FAIL", name, problem)
        first, *others = fix.splitlines() or [""]
        print(f"      Fix: {first}", *(f"           {line}" for line in others), sep="\n")

    # This machine

    def terraform(self) -> str:
        """Terraform, as new as versions.tf asks for."""
        get_it = "Get it: https://developer.hashicorp.com/terraform/install"
        if not shutil.which("terraform"):
            raise Failed("terraform is not installed, and this needs it.", get_it)
        try:
            version = str(
                json.loads(output_of("terraform", "version", "-json") or "")["terraform_version"]
            )
        except (ValueError, LookupError):
            raise Failed("terraform does not say its version", get_it) from None
        text = (TERRAFORM / "versions.tf").read_text()
        needed = re.search(r'required_version = ">= ([0-9.]+)"', text)
        if needed and numbers(version) < numbers(needed[1]):
            raise Failed(f"terraform is {version}; {needed[1]} or newer is needed", get_it)
        return f"{version} ({needed[1]} or newer is needed)" if needed else version

    def docker(self) -> str:
        """Docker, with an engine that answers."""
        if not shutil.which("docker"):
            raise Failed(
                "docker is not installed, and this needs it.",
                "Get it: sudo apt-get install docker.io, or https://docs.docker.com/engine/install/",
            )
        version = output_of("docker", "version", "--format", "{{.Server.Version}}")
        if not version:
            raise Failed(
                "Docker is installed, but its engine does not answer.",
                "Start it (sudo systemctl start docker), or let yourself use it: "
                "sudo usermod -aG docker $USER, then log in again.",
            )
        return f"engine {version}"

    def compose(self) -> str:
        """Docker's compose plugin."""
        if not shutil.which("docker"):
            raise Skipped("needs docker")
        version = output_of("docker", "compose", "version", "--short")
        if version is None:
            raise Failed(
                "Docker's compose plugin is missing.",
                "Get it: sudo apt-get install docker-compose (Debian 13) or docker-compose-v2 "
                "(Ubuntu); rehearsal/images/docker-plugins (Debian 12)",
            )
        return version

    def tool(self, command: str, package: str) -> str:
        """A program that only has to be there."""
        if not (path := shutil.which(command)):
            raise Failed(
                f"{command} is not installed, and this needs it.",
                f"Get it: sudo apt-get install {package}",
            )
        return path

    def python(self) -> str:
        """The Python of the deployment's own environment, which runs this."""
        return platform.python_version()

    def ssh_key(self) -> str:
        """The key pair that opens the droplet: both halves, and that ssh will try it."""
        public = Path(setting("ssh_public_key_path")).expanduser()
        # Terraform, too, reads it from where its own files are.
        where = TERRAFORM / public
        try:
            text = where.read_text().strip()
        except FileNotFoundError:
            raise Failed(
                f"There is no SSH key at {public}, and the droplet is entered with one.",
                "Make it: ssh-keygen -t ed25519   (or name another: "
                "export TF_VAR_ssh_public_key_path=...)",
            ) from None
        except (OSError, UnicodeDecodeError):
            text = ""
        if not KEY_OPENING.match(text):
            raise Failed(
                f"{public} does not hold a public key.",
                "Name the file that ends in .pub: export TF_VAR_ssh_public_key_path=...",
            )
        blob = text.split()[1]
        named = os.environ.get("ANSIBLE_PRIVATE_KEY_FILE")
        private = Path(named).expanduser() if named else where.with_suffix("")
        if not private.exists():
            if blob in (output_of("ssh-add", "-L") or ""):
                return f"{public}; ssh-agent has its private half"
            raise Failed(
                f"{public} has no private half: there is no {private}",
                "Name the private key that belongs to it: export ANSIBLE_PRIVATE_KEY_FILE=...",
            )
        return f"{public}; {self._private_key(private, blob, bool(named))}"

    def _private_key(self, private: Path, blob: str, named: bool) -> str:
        if not os.access(private, os.R_OK):
            raise Failed(
                f"You may not read the private key {private}",
                f'sudo chown "$USER" {private}',
            )
        if private.stat().st_mode & 0o077:
            raise Failed(
                f"Others may read the private key {private}, so ssh refuses to use it",
                f"chmod 600 {private}",
            )
        # With a passphrase on it, only the owner can tell what is inside.
        inside = output_of("ssh-keygen", "-y", "-P", "", "-f", str(private))
        if inside is not None and inside.split()[1] != blob:
            raise Failed(
                f"{private} is the private half of another key",
                "Name the one that belongs to it: export ANSIBLE_PRIVATE_KEY_FILE=...",
            )
        in_agent = blob in (output_of("ssh-add", "-L") or "")
        tried = output_of("ssh", "-G", "droplet") or ""
        names = {
            Path(line.split(maxsplit=1)[1]).expanduser()
            for line in tried.splitlines()
            if line.startswith("identityfile ")
        }
        if names and not (named or in_agent or private in names):
            raise Failed(
                f"ssh does not try {private} by itself",
                f"export ANSIBLE_PRIVATE_KEY_FILE={private}",
            )
        if inside is None and not in_agent:
            return f"its private half has a passphrase, which `ssh-add {private}` asks for once"
        return "its private half fits"

    # The account

    def token(self) -> str:
        """The token opens the account, and the account is in order."""
        try:
            status = cloud.check_token()
        except CloudError as error:
            if error.status != 403:
                raise
            # Nothing needs to read the account itself, and the answer proves the token.
            self.account = True
            return "valid (it may not read the account, which nothing here needs)"
        self.account = True
        if status == "locked":
            raise Failed(
                "The account is locked: DigitalOcean makes nothing in it.",
                f"Ask why: {cloud.CONTROL_PANEL}/support",
            )
        return f"valid; the account is {status}"

    def key_is_new(self) -> str:
        """DigitalOcean takes each SSH key once; Terraform gives it this one."""
        self._need_account()
        public = TERRAFORM / Path(setting("ssh_public_key_path")).expanduser()
        try:
            blob = public.read_text().split()[1]
        except (OSError, UnicodeDecodeError, LookupError):
            raise Skipped("needs the SSH key") from None
        name = self._catalogue(cloud.keys).get(blob)
        if name is None:
            return "your account does not have it yet; Terraform adds it"
        if any(made.kind == "digitalocean_ssh_key" for made in terraform_state.resources()):
            return f"your account has it as {name}"
        if name == cloud.deployment_name():
            raise Skipped(f"your account has it as {name}: an earlier deployment's")
        raise Failed(
            f"Your account has this SSH key already, as {name}, and takes each key only once.",
            "Make one for this deployment: ssh-keygen -t ed25519 -f ~/.ssh/digits\n"
            "export TF_VAR_ssh_public_key_path=~/.ssh/digits.pub "
            "ANSIBLE_PRIVATE_KEY_FILE=~/.ssh/digits",
        )

    def _need_account(self) -> None:
        if not self.account:
            raise Skipped("needs a valid token")

    def scopes(self) -> str:
        """What the token may read; what it may write shows only in writing."""
        self._need_account()
        missing = [scope for path, scope in LISTS.items() if not cloud.may_read(path)]
        if missing:
            raise Failed(
                f"The token may not read {', '.join(missing)} (403): it was made with too few "
                "scopes.",
                "Make one with Full Access, or with read and write on "
                f"{', '.join(LISTS.values())}: {cloud.CONTROL_PANEL}/account/api/tokens",
            )
        return (
            f"it may read {', '.join(LISTS.values())}; whether it may write them, too, cannot be "
            "told by reading"
        )

    def _catalogue(self, ask: Callable[[], Answer]) -> Answer:
        """What DigitalOcean offers, if the token may ask; to deploy it need not."""
        try:
            return ask()
        except CloudError as error:
            if error.status == 403:
                raise Skipped("the token may not ask what there is (403)") from error
            raise

    def nothing_else(self) -> str:
        """The account has nothing of this name that Terraform, here, does not know."""
        self._need_account()
        name, state = cloud.deployment_name(), terraform_state.resources()
        mine = terraform_state.deployed_name(state)
        known = {KINDS.get(made.kind) for made in state} if mine == name else set()
        # Of what Terraform has one of, it makes no second; a stranger's does not hinder it.
        inconvenient = [
            thing
            for thing in unknown_to(state, cloud.belongings(name))
            if thing.kind in ADDRESSES and thing.kind not in known
        ]
        if not inconvenient:
            return f"all there is of {name} in the account was made from here"
        listed = "; ".join(
            f"{thing.kind} {thing.name} ({thing.note + ', ' if thing.note else ''}id {thing.key})"
            for thing in inconvenient
        )
        raise Failed(
            f"Your account has this of {name} already, and Terraform here does not know it: "
            f"{listed}. It would make another, or fail on the name.",
            self._way_on(name, inconvenient, half_made=mine == name),
        )

    @staticmethod
    def _way_on(name: str, inconvenient: list[Thing], *, half_made: bool) -> str:
        remove = f"is not needed, remove it: {cloud.CONTROL_PANEL}"
        if half_made:
            # A deployment that was killed between making a thing and noting it.
            tell = (
                f"terraform -chdir=infra/terraform import {ADDRESSES[thing.kind]} {thing.key}"
                for thing in inconvenient
            )
            return "\n".join(("tell Terraform of it:", *tell, f"Or, if it {remove}"))
        if any(thing.billed for thing in inconvenient):
            return (
                f"go on where {verb('deploy')} ran before, or bring its state from there: "
                f"{terraform_state.place().relative_to(TERRAFORM.parents[1])}\n"
                f"For a second deployment beside it: export TF_VAR_name={name}-2"
            )
        return f"if it {remove}\nOr take another name: export TF_VAR_name={name}-2"

    def region(self) -> str:
        """The region exists and takes new droplets."""
        self._need_account()
        region = setting("region")
        there = self._catalogue(cloud.regions)
        if region not in there:
            if any(d.region == region for d in cloud.droplets(cloud.deployment_name())):
                return f"{region}: it takes no new droplets now; yours is there already"
            raise Failed(
                f"DigitalOcean has no region {region} that takes new droplets.",
                f"export TF_VAR_region=fra1   (or one of: {' '.join(there)})",
            )
        return region

    def size(self) -> str:
        """The size exists, is to be had in the region, and costs this much."""
        self._need_account()
        slug, region = setting("size"), setting("region")
        there = self._catalogue(cloud.sizes)
        enough = self._sizes_that_do(there, region)
        if slug not in there:
            raise Failed(
                f"DigitalOcean has no size {slug}.",
                f"export TF_VAR_size=s-1vcpu-1gb   (or one of: {' '.join(enough[:6])} ...)",
            )
        size = there[slug]
        if size.memory_mb < SMALLEST_MB:
            raise Failed(
                f"{slug} has {size.memory_mb} MB of memory; the app and its database need "
                f"{SMALLEST_MB}.",
                f"export TF_VAR_size=s-1vcpu-1gb   (or one of: {' '.join(enough[:6])} ...)",
            )
        made = (region, slug)
        if region not in size.regions and not any(
            (d.region, d.size) == made for d in cloud.droplets(cloud.deployment_name())
        ):
            elsewhere = sorted(size.regions)
            raise Failed(
                f"The size {slug} is not to be had in {region} now.",
                f"export TF_VAR_region={elsewhere[0]}"
                if elsewhere
                else "export TF_VAR_size=s-1vcpu-1gb",
            )
        return (
            f"{slug}: {size.processors} vCPU, {size.memory_mb} MB of memory, "
            f"{size.disk_gb} GB disk, ${size.dollars_a_month:g} a month"
        )

    @staticmethod
    def _sizes_that_do(there: dict[str, Size], region: str) -> list[str]:
        """What may be suggested, the cheapest first."""
        return [
            size.slug
            for size in sorted(there.values(), key=lambda size: size.dollars_a_month)
            if region in size.regions and size.memory_mb >= SMALLEST_MB
        ]

    # The deployment

    def state(self) -> str:
        """Terraform's state can be read, and names this droplet."""
        found = terraform_state.resources()
        names = [r for r in found if r.kind == "digitalocean_droplet"]
        if not found:
            raise Skipped("Terraform has made nothing from here yet")
        if not names:
            return f"{len(found)} resources, and no droplet among them"
        return f"{len(found)} resources; the droplet is {names[0].name} (id {names[0].key})"

    def found(self) -> str:
        """The droplet, as every verb finds it, and no second one."""
        self._need_account()
        name = deployment.name()
        droplet, tagged = deployment.find(), cloud.droplets(name)
        if droplet is None:
            raise Skipped(f"none with the tag {name} yet: {verb('deploy')}")
        if droplet.status != "active" or not droplet.ip:
            raise Failed(
                f"The droplet {droplet.name} is {droplet.status}.",
                f"If it is not just starting, turn it on: {cloud.CONTROL_PANEL}/droplets",
            )
        self.droplet = droplet
        if others := [other for other in tagged if other.key != droplet.key]:
            raise Failed(
                f"Yours is {droplet}, and the tag {name} is on another, too, which costs money "
                f"and stops the pipeline: {'; '.join(map(str, others))}",
                f"Remove the other, or take its tag away: {cloud.CONTROL_PANEL}/droplets",
            )
        if not tagged:
            raise Failed(
                f"Yours, {droplet}, does not carry the tag {name}, by which the pipeline finds it.",
                f"Put it back: {verb('deploy')}",
            )
        return f"{droplet.name} ({droplet.ip}) is {droplet.status}"

    def _need_droplet(self) -> str:
        if self.droplet is None:
            raise Skipped("needs a running droplet")
        return self.droplet.ip or ""

    def ssh(self) -> str:
        """The droplet lets us in, and is the one that it was."""
        ip = self._need_droplet()
        run_on(ip, "true")
        self.reached = True
        return f"root@{ip} lets you in, and its host key is no other than before"

    def room(self) -> str:
        """Free disk and memory on the droplet."""
        ip = self._need_droplet()
        if not self.reached:
            raise Skipped("needs ssh")
        printed = run_on(ip, "df -Pk / && cat /proc/meminfo")
        disk = re.search(r"^\S+ +\d+ +\d+ +(\d+) +\d+% +/$", printed, re.MULTILINE)
        memory = re.search(r"^MemAvailable: +(\d+) kB", printed, re.MULTILINE)
        if not (disk and memory):
            raise Skipped("the droplet does not say")
        disk_mb, memory_mb = int(disk[1]) // 1024, int(memory[1]) // 1024
        if disk_mb < DISK_MB:
            raise Failed(
                f"Only {disk_mb} MB of the droplet's disk are free.",
                f"See what fills it: ssh root@{ip} 'du -xh --max-depth=3 / | sort -h | tail -n 20'",
            )
        if memory_mb < MEMORY_MB:
            raise Failed(
                f"Only {memory_mb} MB of the droplet's memory are free.",
                f"Give it more: export TF_VAR_size=s-1vcpu-2gb, then {verb('deploy')}",
            )
        return f"{disk_mb} MB of disk and {memory_mb} MB of memory are free"

    def page(self) -> str:
        """The app answers from outside."""
        address = f"http://{self._need_droplet()}/_stcore/health"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                said = answer.read(100).decode(errors="replace").strip()
        except OSError as error:
            said = str(getattr(error, "reason", error))
        if said != "ok":
            raise Failed(f"{address} does not answer as the app does: {said}", verb("deploy"))
        return f"{address} says ok"

    def certificate(self) -> str:
        """Said, so that nobody looks for one."""
        raise Skipped("none: the site is plain HTTP, reached by its IP address")

    def secrets(self) -> str:
        """The secrets that the pipeline's files name, as far as gh may tell."""
        needed: set[str] = set()
        for file in sorted(WORKFLOWS.glob("*.y*ml")):
            needed |= set(re.findall(r"\bsecrets\.([A-Z][A-Z0-9_]*)", file.read_text()))
        needed -= {"GITHUB_TOKEN"}  # GitHub's own, always there
        if not needed:
            raise Skipped("no file in .github/workflows needs one")
        self._need_gh()
        # The environment's are what the jobs get; the repository's stand in for what it lacks.
        asked = [
            output_of("gh", "secret", "list", *where, "--json", "name", "--jq", ".[].name")
            for where in (("--env", ENVIRONMENT), ())
        ]
        if asked == [None, None]:
            raise Skipped("GitHub does not list this repository's secrets to you")
        there = needed & {name for listed in asked if listed for name in listed.split()}
        if not there:
            raise Skipped(f"none is set, so no pipeline deploys this: {', '.join(sorted(needed))}")
        if missing := sorted(needed - there):
            raise Failed(
                f"set: {', '.join(sorted(there))}; missing: {', '.join(missing)}", verb("pipeline")
            )
        return f"set: {', '.join(sorted(there))}"

    @staticmethod
    def _need_gh() -> None:
        if not shutil.which("gh"):
            raise Skipped("gh is not installed, so GitHub cannot be asked")
        if output_of("gh", "auth", "status") is None:
            raise Skipped("gh is not logged in (gh auth login), so GitHub cannot be asked")

    def pipeline(self) -> str:
        """What the pipeline knows of the droplet is still so, as far as gh may tell."""
        ip = self._need_droplet()
        if not self.reached:
            raise Skipped("needs ssh")
        self._need_gh()
        query = '.[] | select(.name == "DROPLET_HOST_KEY") | .value'
        told = output_of("gh", "variable", "list", "--json", "name,value", "--jq", query)
        if told is None:
            raise Skipped("GitHub does not list this repository's variables to you")
        if not told:
            raise Skipped("DROPLET_HOST_KEY is not set, so no pipeline deploys this")
        with tempfile.TemporaryDirectory() as folder:
            pins = Path(folder) / "known_hosts"
            pins.write_text(told + "\n")
            theirs, ours = host_keys(ip, pins), host_keys(ip, known_hosts())
        if not ours:
            raise Skipped(f"the droplet's host key is not pinned here yet: {verb('status')}")
        if not theirs & ours:
            raise Failed(
                "GitHub's variable DROPLET_HOST_KEY is another droplet's: the pipeline will not "
                "talk to this one.",
                verb("pipeline"),
            )
        public = DEPLOY_KEY.with_suffix(".pub")
        if public.exists() and public.read_text().split()[1] not in run_on(ip, AUTHORIZED):
            raise Failed("The droplet does not let the pipeline's key in.", verb("pipeline"))
        return "GitHub knows this droplet's host key"


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog=verb("doctor"), description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--before-deploy", action="store_true", help="only what a deployment needs")
    before_deploy: bool = parser.parse_args().before_deploy

    doctor = Doctor()
    doctor.check("terraform", doctor.terraform)
    doctor.check("ssh", lambda: doctor.tool("ssh", "openssh-client"))
    if not before_deploy:
        doctor.check("git", lambda: doctor.tool("git", "git"))
        doctor.check("python", doctor.python)
    # An image that is made already needs no engine here.
    if not (before_deploy and os.environ.get("IMAGE")):
        doctor.check("docker", doctor.docker)
        doctor.check("compose", doctor.compose)
    doctor.check("ssh key", doctor.ssh_key)
    doctor.check("token", doctor.token)
    doctor.check("scopes", doctor.scopes)
    if before_deploy:
        doctor.check("account", doctor.nothing_else)
    doctor.check("new key", doctor.key_is_new)
    doctor.check("region", doctor.region)
    doctor.check("size", doctor.size)
    if not before_deploy:
        doctor.check("state", doctor.state)
        doctor.check("droplet", doctor.found)
        doctor.check("login", doctor.ssh)
        doctor.check("room", doctor.room)
        doctor.check("page", doctor.page)
        doctor.check("certificate", doctor.certificate)
        doctor.check("secrets", doctor.secrets)
        doctor.check("pipeline", doctor.pipeline)
    return 1 if doctor.failures else 0


if __name__ == "__main__":
    sys.exit(main())
