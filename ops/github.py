"""The repository on GitHub, by its tool gh: its environment, secrets and variables."""

from __future__ import annotations

import shutil
import subprocess

from ops.errors import Failed, SaidAlready
from ops.programs import output_of
from ops.settings import Settings

ENVIRONMENT = "production"  # the jobs that deploy run in it
_PLACE = f"repos/{{owner}}/{{repo}}/environments/{ENVIRONMENT}"
_POLICIES = f"{_PLACE}/deployment-branch-policies"
_NO_PROTECTED = "deployment_branch_policy[protected_branches]=false"
_CUSTOM = "deployment_branch_policy[custom_branch_policies]=true"
# By hand, the same: one command a line.
LIMIT_TO_MAIN = f"""gh api --silent --method PUT {_PLACE} \\
    -F '{_NO_PROTECTED}' -F '{_CUSTOM}'
  gh api --silent --method POST {_POLICIES} -f name=main"""


def no_secret(settings: Settings, name: str) -> Failed:
    """Why a run of the pipeline lacks this value, and what to do."""
    if settings.github_actor == "dependabot[bot]":
        return Failed(
            f"This run has no {name}: GitHub gives the repository's secrets to no run that "
            "Dependabot starts. Nothing was changed.",
            "Start one yourself: on GitHub, Actions, then Deploy, then Run workflow.",
        )
    return Failed(
        f"This run has no {name}: the repository or its environment {ENVIRONMENT} does not have "
        "it, and a fork gets none of the secrets of the repository that it comes from.",
        "Set all that the pipeline needs, on the laptop that deployed: "
        f"{settings.verb('pipeline')}",
    )


def why_not_asked() -> str | None:
    """Why GitHub cannot be asked; None if it can."""
    if not shutil.which("gh"):
        return "gh is not installed, so GitHub cannot be asked"
    if output_of("gh", "auth", "status") is None:
        return "gh is not logged in (gh auth login), so GitHub cannot be asked"
    return None


def _did(*words: str, stdin: str | None = None) -> bool:
    return subprocess.run(["gh", *words], input=stdin, text=True, check=False).returncode == 0


def make_environment() -> bool:
    """Make the environment, for main alone; whether GitHub let it be limited so.

    Raises Failed if it could not be made.
    """
    limited = _did(
        *("api", "--silent", "--method", "PUT", _PLACE, "-F", _NO_PROTECTED, "-F", _CUSTOM)
    )
    if limited:
        there = output_of("gh", "api", _POLICIES, "--jq", ".branch_policies[].name") or ""
        limited = "main" in there.split() or _did(
            *("api", "--silent", "--method", "POST", _POLICIES, "-f", "name=main")
        )
    if limited:
        return True
    # The plan of a private repository may have no such rule.
    if not _did("api", "--silent", "--method", "PUT", _PLACE):
        raise Failed(
            f'GitHub did not make the environment "{ENVIRONMENT}"; its reason is above.',
            "You need to be an administrator of this repository on GitHub, and it must exist "
            "there: gh repo create",
        )
    return False


def set_secret(name: str, value: str) -> None:
    """Set one of the environment's secrets, over stdin. Raises SaidAlready."""
    if not _did("secret", "set", name, "--env", ENVIRONMENT, stdin=value):
        raise SaidAlready


def set_variable(name: str, value: str) -> None:
    """Set one of the repository's variables. Raises SaidAlready."""
    if not _did("variable", "set", name, "--body", value):
        raise SaidAlready


def delete_variable(name: str) -> None:
    """Delete one of the repository's variables, if it is there. Raises SaidAlready."""
    listed = output_of("gh", "variable", "list", "--json", "name", "--jq", ".[].name") or ""
    if name in listed.split() and not _did("variable", "delete", name):
        raise SaidAlready


def variable(name: str) -> str | None:
    """The value of a variable, "" if it is not set; None if GitHub does not list them to you."""
    query = f'.[] | select(.name == "{name}") | .value'
    return output_of("gh", "variable", "list", "--json", "name,value", "--jq", query)


def secrets() -> set[str] | None:
    """The names of the secrets that the jobs get; None if GitHub does not list them to you.

    The environment's are what they get; the repository's stand in for what it lacks.
    """
    asked = [
        output_of("gh", "secret", "list", *where, "--json", "name", "--jq", ".[].name")
        for where in (("--env", ENVIRONMENT), ())
    ]
    if asked == [None, None]:
        return None
    return {name for listed in asked if listed for name in listed.split()}
