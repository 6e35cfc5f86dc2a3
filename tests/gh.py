"""GitHub's tool gh, as far as the project calls it, for one repository that is a JSON file.

What it is not known to be asked, it refuses: a call that is spelled wrong fails here too.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "me/digits"
PLACE = f"repos/{NAME}/environments/production"
ONE_VARIABLE = re.compile(r'\.\[\] \| select\(\.name == "(\w+)"\) \| \.value')


@dataclass
class Repository:
    """What GitHub keeps of it. An environment of None is not there; `lists` is whether gh may."""

    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] | None = None  # its secrets
    branches: list[str] = field(default_factory=list)  # that may use the environment
    lists: bool = True
    calls: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Repository:
        """Return what is kept in the file."""
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        """Keep it in the file."""
        file.write_text(json.dumps(asdict(self)))


def script(file: Path, repository: Repository) -> str:
    """Return the shell script that is gh for a repository, which is kept in this file."""
    repository.write(file)
    return f'exec {shlex.join([sys.executable, __file__, str(file)])} "$@"'


def answer(repository: Repository, *words: str) -> str | None:
    """Do what gh is asked to; return what it prints, or None if it fails."""
    match words:
        case ("auth", "status"):
            return ""
        case ("api", "--hostname", "github.com", *rest):
            return _api(repository, *rest)
    # All else names the repository: gh would choose the remote "upstream".
    at = words.index("--repo") if "--repo" in words else len(words)
    if words[at + 1 : at + 2] != (NAME,):
        return None
    match (*words[:at], *words[at + 2 :]):
        case ("secret", *rest) if repository.lists or rest[0] != "list":
            return _secret(repository, *rest)
        case ("variable", *rest) if repository.lists or rest[0] != "list":
            return _variable(repository, *rest)
    return None


def _api(repository: Repository, *words: str) -> str | None:
    policies = f"{PLACE}/deployment-branch-policies"
    match words:
        case ("--silent", "--method", "PUT", place, *_fields) if place == PLACE:
            repository.environment = repository.environment or {}
        case (place, "--jq", ".branch_policies[].name") if place == policies:
            return "\n".join(repository.branches)
        case ("--silent", "--method", "POST", place, "-f", name) if place == policies:
            repository.branches.append(name.removeprefix("name="))
        case _:
            return None
    return ""


def _secret(repository: Repository, *words: str) -> str | None:
    match words:
        case ("set", name, "--env", "production") if repository.environment is not None:
            repository.environment[name] = sys.stdin.read()
            return ""
        case ("delete", name, "--env", "production") if repository.environment is not None:
            return "" if repository.environment.pop(name, None) is not None else None
        case ("list", "--env", "production", "--json", "name", "--jq", ".[].name"):
            return None if repository.environment is None else "\n".join(repository.environment)
        case ("list", "--json", "name", "--jq", ".[].name"):
            return "\n".join(repository.secrets)
    return None


def _variable(repository: Repository, *words: str) -> str | None:
    match words:
        case ("set", name, "--body", value):
            repository.variables[name] = value
            return ""
        case ("delete", name) if name in repository.variables:
            del repository.variables[name]
            return ""
        case ("list", "--json", "name", "--jq", ".[].name"):
            return "\n".join(repository.variables)
        case ("list", "--json", "name,value", "--jq", query):
            found = ONE_VARIABLE.fullmatch(query)
            return repository.variables.get(found[1], "") if found else None
    return None


def main() -> int:
    """Return gh's exit status."""
    file, *words = sys.argv[1:]
    repository = Repository.read(Path(file))
    repository.calls.append(" ".join(words))
    printed = answer(repository, *words)
    repository.write(Path(file))
    if printed is None:
        print(f"gh: cannot do this: {shlex.join(words)}", file=sys.stderr)
        return 1
    print(printed, end="\n" if printed else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
