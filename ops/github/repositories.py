"""The repository on GitHub, by its tool gh: its environment, secrets and variables.

Every call names the repository: gh's own choice would be the remote "upstream", where there is one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from urllib.parse import urlsplit

from ops.console.errors import AlreadyPrinted, Failed
from ops.console.pipeline import ENVIRONMENT
from ops.console.programs import output_of

HOST = "github.com"
_NO_PROTECTED = "deployment_branch_policy[protected_branches]=false"
_CUSTOM = "deployment_branch_policy[custom_branch_policies]=true"
_NAME = re.compile(r"(?:([\w.-]+)/)?([\w.-]+)/([\w.-]+)")
# As git writes an address without a scheme: git@github.com:owner/name.git
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")


def why_not_asked() -> str | None:
    """Why GitHub cannot be asked; None if it can."""
    if not shutil.which("gh"):
        return "gh is not installed, so GitHub cannot be asked"
    if output_of("gh", "auth", "status") is None:
        return "gh is not logged in (gh auth login), so GitHub cannot be asked"
    return None


def _did(*words: str, stdin: str | None = None) -> bool:
    return subprocess.run(["gh", *words], input=stdin, text=True, check=False).returncode == 0


def _do(*words: str, stdin: str | None = None) -> None:
    """Raises AlreadyPrinted if it fails."""
    if not _did(*words, stdin=stdin):
        raise AlreadyPrinted


def _names(kind: str, where: tuple[str, ...]) -> set[str] | None:
    """The names of secrets or variables; None if GitHub does not list them to you."""
    listed = output_of("gh", kind, "list", *where, "--json", "name", "--jq", ".[].name")
    return None if listed is None else set(listed.split())


@dataclass(frozen=True)
class Repository:
    """One repository: where it is, its owner and name, and which remote of git's it is."""

    path: str
    host: str = HOST
    remote: str = ""

    def __str__(self) -> str:
        return self.path if self.host == HOST else f"{self.host}/{self.path}"

    @property
    def by_hand(self) -> str:
        """The commands that limit the environment to main, one a line."""
        return f"""gh api {" ".join(self._api())} --silent --method PUT {self._place} \\
    -F '{_NO_PROTECTED}' -F '{_CUSTOM}'
  gh api {" ".join(self._api())} --silent --method POST {self._policies} -f name=main"""

    @property
    def _place(self) -> str:
        return f"repos/{self.path}/environments/{ENVIRONMENT}"

    @property
    def _policies(self) -> str:
        return f"{self._place}/deployment-branch-policies"

    def _api(self) -> tuple[str, str]:
        return ("--hostname", self.host)

    def _its(self) -> tuple[str, str]:
        return ("--repo", str(self))

    def make_environment(self) -> bool:
        """Make the environment, for main alone; whether GitHub let it be limited so.

        Raises Failed if it could not be made.
        """
        put = ("api", *self._api(), "--silent", "--method", "PUT", self._place)
        if _did(*put, "-F", _NO_PROTECTED, "-F", _CUSTOM):
            listed = ("gh", "api", *self._api(), self._policies, "--jq", ".branch_policies[].name")
            post = ("api", *self._api(), "--silent", "--method", "POST", self._policies)
            there = output_of(*listed) or ""
            if "main" in there.split() or _did(*post, "-f", "name=main"):
                return True
        # The plan of a private repository may have no such rule.
        if not _did(*put):
            raise Failed(
                f'GitHub did not make the environment "{ENVIRONMENT}" in {self}; its reason is '
                "above.",
                "You need to be an administrator of this repository on GitHub, and it must exist "
                "there: gh repo create",
            )
        return False

    def set_secret(self, name: str, value: str) -> None:
        """Set one of the environment's secrets, over stdin. Raises AlreadyPrinted."""
        _do("secret", "set", name, *self._its(), "--env", ENVIRONMENT, stdin=value)

    def delete_secret(self, name: str) -> None:
        """Delete one of the environment's secrets, if it is there. Raises AlreadyPrinted."""
        where = (*self._its(), "--env", ENVIRONMENT)
        if name in (_names("secret", where) or ()):
            _do("secret", "delete", name, *where)

    def set_variable(self, name: str, value: str) -> None:
        """Set one of the repository's variables. Raises AlreadyPrinted."""
        _do("variable", "set", name, *self._its(), "--body", value)

    def delete_variable(self, name: str) -> None:
        """Delete one of the repository's variables, if it is there. Raises AlreadyPrinted."""
        if name in (_names("variable", self._its()) or ()):
            _do("variable", "delete", name, *self._its())

    def variable(self, name: str) -> str | None:
        """The value of a variable, "" if it is not set; None if GitHub does not list them."""
        query = f'.[] | select(.name == "{name}") | .value'
        words = ("gh", "variable", "list", *self._its(), "--json", "name,value", "--jq", query)
        return output_of(*words)

    def secrets(self) -> set[str] | None:
        """The names of the secrets that the jobs get; None if GitHub does not list them to you.

        The environment's are what they get; the repository's stand in for what it lacks.
        """
        of_the_jobs = _names("secret", (*self._its(), "--env", ENVIRONMENT))
        of_all = _names("secret", self._its())
        if of_the_jobs is None and of_all is None:
            return None
        return (of_the_jobs or set()) | (of_all or set())


def repository(named: str) -> Repository:
    """The one that pushes go to: the named one, else the remote "origin", else the only one.

    Raises Failed if there is none, or no telling which.
    """
    if named:
        if found := _NAME.fullmatch(named):
            return Repository(f"{found[2]}/{found[3]}", found[1] or HOST)
        raise Failed(
            f"GH_REPO={named} is no repository.", "Give one: export GH_REPO=owner/name, or none"
        )
    there = remotes()
    for one in there:
        if one.remote == "origin":
            return one
    if len(there) == 1:
        return there[0]
    if there:
        raise Failed(
            "This clone has several remotes on GitHub, and none of them is called origin: "
            f"{described(there)}.",
            f"Name the repository that you push to: export GH_REPO={there[0]}",
        )
    raise Failed(
        "This clone has no remote on GitHub.",
        "Make the repository: gh repo create --source . --push. Or name it: "
        "export GH_REPO=owner/name",
    )


def remotes() -> list[Repository]:
    """The remotes of this clone that are repositories on GitHub."""
    names = (output_of("git", "remote") or "").split()
    found = [
        _at(output_of("git", "remote", "get-url", "--push", name) or "", name) for name in names
    ]
    return [one for one in found if one]


def described(some: list[Repository]) -> str:
    """Remotes in one line."""
    return ", ".join(f"{one} ({one.remote})" for one in some)


def _at(address: str, remote: str) -> Repository | None:
    """The repository at an address of git's; None if it is a folder, or no repository's."""
    if "://" in address:
        parts = urlsplit(address)
        host, path = parts.hostname or "", parts.path
    elif found := _SCP.fullmatch(address):
        host, path = found[1], found[2]
    else:
        return None
    names = [word for word in path.removesuffix("/").removesuffix(".git").split("/") if word]
    if not host or len(names) != 2:
        return None
    if "." not in host:  # a name of ~/.ssh/config's, which git reads
        configured = (output_of("ssh", "-G", host) or "").splitlines()
        real = [line.partition(" ")[2] for line in configured if line.startswith("hostname ")]
        host = real[0] if real else host
    # GitHub's ssh behind a firewall that lets only HTTPS out.
    host = HOST if host.lower() in ("ssh.github.com", "www.github.com", HOST) else host.lower()
    return Repository("/".join(names), host, remote)
