"""The pipeline's secrets go to one repository: the one that was shown, and that a person named."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ops.console.errors import Failed
from ops.github import repositories
from tests import gh
from tests.gh import NAME, Repository
from tests.project import Api, Project, address, another


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


@pytest.fixture
def cloned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of nothing, which this process is in."""
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/me/digits.git", "me/digits"),
        ("https://github.com/me/digits/", "me/digits"),
        ("https://me@github.com/me/digits", "me/digits"),
        ("git@github.com:me/digits.git", "me/digits"),
        ("github.com:me/digits", "me/digits"),
        ("ssh://git@github.com/me/digits.git", "me/digits"),
        ("ssh://git@ssh.github.com:443/me/digits.git", "me/digits"),
        ("git@git.example.com:team/digits.git", "git.example.com/team/digits"),
        ("https://git.example.com/team/di.gits.git", "git.example.com/team/di.gits"),
    ],
)
def test_every_way_to_write_an_address(cloned: Path, address: str, name: str) -> None:
    git(cloned, "remote", "add", "origin", address)
    assert str(repositories.repository("")) == name


@pytest.mark.parametrize("address", ["/srv/git/digits.git", "../digits", "file:///srv/digits.git"])
def test_a_folder_is_none(cloned: Path, address: str) -> None:
    git(cloned, "remote", "add", "origin", address)
    with pytest.raises(Failed, match="has no remote on GitHub"):
        repositories.repository("")


def test_which_one(cloned: Path) -> None:
    git(cloned, "remote", "add", "upstream", "https://github.com/company/digits.git")
    assert str(repositories.repository("")) == "company/digits"  # the only one
    git(cloned, "remote", "add", "backup", "https://github.com/me/backup.git")
    with pytest.raises(Failed, match="none of them is called origin"):
        repositories.repository("")
    git(cloned, "remote", "add", "origin", "git@github.com:me/digits.git")
    assert str(repositories.repository("")) == "me/digits"
    assert str(repositories.repository("other/name")) == "other/name"
    assert (
        str(repositories.repository("git.example.com/other/name")) == "git.example.com/other/name"
    )
    with pytest.raises(Failed, match="is no repository"):
        repositories.repository("nonsense")
    # Where pushes go to another place than fetches, it is that one.
    git(cloned, "remote", "set-url", "--push", "origin", "git@github.com:me/fork.git")
    assert str(repositories.repository("")) == "me/fork"


@pytest.fixture
def forked(project: Project, api: Api) -> Project:
    """A fork of a company's repository, with a droplet and a gh that knows the fork alone."""
    ip = address(another(api))
    (project.folder / "known_hosts").write_text(f"{ip} {(project.folder / 'key.pub').read_text()}")
    project.ssh_says("exit 0")
    git(project.folder, "init", "-q")
    git(project.folder, "remote", "add", "origin", f"git@github.com:{NAME}.git")
    git(project.folder, "remote", "add", "upstream", "https://github.com/company/digits.git")
    project.settings |= {"DEPLOY_KEY_FILE": str(project.folder / "deploy_key")}
    return project


def test_nothing_goes_to_the_companys(forked: Project) -> None:
    kept = forked.folder / "github.json"
    forked.command("gh", gh.script(kept, Repository()))
    # Nobody is there to be asked.
    done = forked.verb("pipeline")
    assert done.returncode == 1
    assert f"{NAME}, the remote origin, will get a key that is root on the droplet" in done.stdout
    assert "Not these: company/digits (upstream)." in done.stdout
    assert f"the same command with CONFIRM={NAME}" in done.stdout
    done = forked.verb("pipeline", CONFIRM="company/digits")
    assert done.returncode == 1
    assert f'"company/digits" is not {NAME}, so nothing was changed.' in done.stdout
    assert not (forked.folder / "deploy_key").exists()
    assert Repository.read(kept).calls == ["auth status"] * 2

    done = forked.verb("pipeline", CONFIRM=NAME, PIPELINE_TOKEN="of-the-pipeline")
    assert done.returncode == 0
    assert f"gh run watch --repo {NAME}" in done.stdout
    repository = Repository.read(kept)
    assert set(repository.environment or ()) == {"DEPLOY_KEY", "DIGITALOCEAN_TOKEN"}
    # Every call names it, but for the one that asks who is logged in.
    for call in repository.calls:
        assert call == "auth status" or f"repos/{NAME}/" in call or f"--repo {NAME}" in call
    assert "company" not in json.dumps(repository.calls)


def test_the_pipeline_gets_no_token_unasked(forked: Project) -> None:
    kept = forked.folder / "github.json"
    forked.command("gh", gh.script(kept, Repository()))

    def token(**settings: str) -> str:
        done = forked.verb("pipeline", CONFIRM=NAME, **settings)
        assert done.returncode == 0
        return (Repository.read(kept).environment or {})["DIGITALOCEAN_TOKEN"]

    refused = forked.verb("pipeline", CONFIRM=NAME)
    assert refused.returncode == 1
    assert "The pipeline has no token, so nothing was made" in refused.stdout
    assert "make pipeline PIPELINE_TOKEN=mine TARGET=rehearsal" in refused.stdout
    assert not (forked.folder / "deploy_key").exists()
    assert token(PIPELINE_TOKEN="mine") == forked.settings["DIGITALOCEAN_TOKEN"]
    assert token(PIPELINE_TOKEN="of-the-pipeline") == "of-the-pipeline"
    assert token() == "of-the-pipeline", "it keeps the one that it has"


def authorized(forked: Project, keys: str) -> Path:
    """The droplet's file of keys, with these in it; what is run there changes it."""
    file = forked.folder / "authorized_keys"
    file.write_text(keys)
    forked.ssh_says(
        f"command=${{!#}}\n[[ $command != *'read -r key'* ]] ||"
        f' bash -c "${{command//\\/root\\/.ssh\\/authorized_keys/{file}}}"'
    )
    return file


def test_a_new_key_of_the_pipeline_replaces_the_one_before(forked: Project) -> None:
    forked.command("gh", "exit 1")
    other = "ssh-ed25519 AAAA me@laptop\n"
    file = authorized(forked, f"{other}ssh-ed25519 BBBB digits pipeline\n# a comment")
    done = forked.verb("pipeline")
    assert "Its earlier key is removed." in done.stdout
    key = (forked.folder / "deploy_key.pub").read_text()
    assert file.read_text() == f"{other}# a comment\n{key}"
    assert file.stat().st_mode & 0o777 == 0o600
    done = forked.verb("pipeline")
    assert "The droplet accepts the pipeline's key already." in done.stdout
    assert file.read_text() == f"{other}# a comment\n{key}"
    (forked.folder / "deploy_key").unlink()
    forked.verb("pipeline")
    new = (forked.folder / "deploy_key.pub").read_text()
    assert new != key
    assert file.read_text() == f"{other}# a comment\n{new}"


def test_by_hand_it_is_named_too(forked: Project) -> None:
    forked.command("gh", "exit 1")
    printed = forked.verb("pipeline").stdout
    commands = [line for line in printed.splitlines() if line.lstrip().startswith("gh ")]
    assert len(commands) == 5
    for line in commands:
        assert NAME in line
