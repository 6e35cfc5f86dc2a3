"""The file .env: which files are read, what they may hold, and what counts more."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import yaml

from ops.cloud import prices
from ops.console import env_file
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.verbs import settings as listed
from tests.project import ROOT, TERRAFORM, Project

KNOWN = {one.metadata["name"]: one.metadata["stays"] for one, _ in Settings().every()}
Load = Callable[..., dict[str, str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The environment after .env was read in an environment that has these settings only."""

    def load(text: str | bytes, **environment: str) -> dict[str, str]:
        file = tmp_path / ".env"
        file.touch(mode=0o600)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with mock.patch.dict(os.environ, environment, clear=True):
            env_file.load(tmp_path, KNOWN)
            return dict(os.environ)

    return load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TF_VAR_size=s-1vcpu-2gb", "s-1vcpu-2gb"),
        ("TF_VAR_size=s-1vcpu-2gb\r\nTF_VAR_region=ams3\r\n", "s-1vcpu-2gb"),
        ("\ufeffTF_VAR_size=s-1vcpu-2gb\n", "s-1vcpu-2gb"),
        ("export TF_VAR_size=s-1vcpu-2gb", "s-1vcpu-2gb"),
        ("  TF_VAR_size = s-1vcpu-2gb   # the larger one\n", "s-1vcpu-2gb"),
        ('TF_VAR_size="s-1vcpu-2gb"', "s-1vcpu-2gb"),
        ("TF_VAR_size='a b # $c'", "a b # $c"),
        ("TF_VAR_size=$HOME", "$HOME"),
        ("TF_VAR_size=a\nTF_VAR_size=b\n", "b"),
        ("TF_VAR_size=", ""),
        ("# TF_VAR_size=s-1vcpu-2gb\n\n", None),
    ],
)
def test_how_a_setting_may_be_written(load: Load, text: str, value: str | None) -> None:
    assert load(text).get("TF_VAR_size") == value


@pytest.mark.parametrize("given", ["s-4vcpu-8gb", ""])
def test_the_environment_counts_more(load: Load, given: str) -> None:
    found = load("TF_VAR_size=s-1vcpu-2gb\nTF_VAR_region=ams3", TF_VAR_size=given)
    assert (found["TF_VAR_size"], found["TF_VAR_region"]) == (given, "ams3")


def test_it_is_read_once(load: Load) -> None:
    """What a verb was given instead must not come back in the programs that it starts."""
    found = load("TF_VAR_droplets=3")
    del found["TF_VAR_droplets"]
    assert "TF_VAR_droplets" not in load("TF_VAR_droplets=3", **found)


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("TF_VAR_region=ams3\nTF_VAR_size\n", "Line 2 of .env is not understood"),
        ("=3", "Line 1 of .env is not understood"),
        ("SOURCE_URL='https://example.org\n", "Line 1 of .env is not understood"),
        (b"RELEASED_BY=Ren\xe9\n", ".env is not UTF-8 text"),
        ("TF_VAR_size=s-1vcpu-2gb".encode("utf-16"), ".env is not UTF-8 text"),
        (b"TF_VAR_size=a\0b\n", ".env is not UTF-8 text"),
        ("CONFIRM=digits\nREPLACE=yes\n", ".env sets CONFIRM, REPLACE for every command"),
    ],
)
def test_what_is_refused(load: Load, text: str | bytes, about: str) -> None:
    with pytest.raises(Failed, match=re.escape(about)) as caught:
        load(text)
    assert caught.value.then, "no next step"


def test_a_name_that_is_no_setting_is_named(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    found = load("TF_VAR_sise=s-1vcpu-2gb\nHTTPS_PROXY=http://proxy\nTF_VAR_region=ams3\n")
    assert {"TF_VAR_sise", "HTTPS_PROXY"}.isdisjoint(found)
    printed = capsys.readouterr().err
    assert "TF_VAR_sise, which is no setting and has no effect. Do you mean TF_VAR_size?" in printed
    assert "HTTPS_PROXY, which is no setting and has no effect. See what there is" in printed
    assert "TF_VAR_region" not in printed


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602, 0o777])
def test_a_file_that_is_open_to_others(tmp_path: Path, mode: int) -> None:
    file = tmp_path / ".env"
    file.touch()
    file.chmod(mode)
    with mock.patch.dict(os.environ, clear=True):
        with pytest.raises(
            Failed, match="Other users of this machine may read or change"
        ) as caught:
            env_file.load(tmp_path, KNOWN)
        assert caught.value.then == ("Let nobody else: chmod 600 .env",)
        for closed in (0o600, 0o400, 0o700):
            file.chmod(closed)
            os.environ.pop("ENV_FILE", None)
            env_file.load(tmp_path, KNOWN)


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    """As `python -m venv .env` makes it, and Docker where a file should be and is not."""
    (tmp_path / ".env").mkdir()
    with (
        mock.patch.dict(os.environ, clear=True),
        pytest.raises(Failed, match="is a folder or another"),
    ):
        env_file.load(tmp_path, KNOWN)


def test_no_file_another_file_and_a_link(tmp_path: Path) -> None:
    other = tmp_path / "staging.env"
    other.touch(mode=0o600)
    other.write_text("SOURCE_URL=staging\n")
    with mock.patch.dict(os.environ, clear=True):
        env_file.load(tmp_path, KNOWN)
        assert "SOURCE_URL" not in os.environ
        (tmp_path / ".env").symlink_to(other)
        for given in ("staging.env", ".env"):
            os.environ.pop("SOURCE_URL", None)
            os.environ["ENV_FILE"] = given
            env_file.load(tmp_path, KNOWN)
            assert os.environ["SOURCE_URL"] == "staging"
        os.environ["ENV_FILE"] = "nowhere.env"
        with pytest.raises(Failed, match="ENV_FILE=nowhere"):
            env_file.load(tmp_path, KNOWN)


def test_a_verb_reads_it(project: Project) -> None:
    """And ends before it does anything where it cannot."""
    file = project.folder / ".env"
    file.touch(mode=0o600)
    file.write_text("DROPLET_IP=127.0.0.9\r\nACME=off\r\n")
    read: dict[str, str | None] = {"ENV_FILE": None, "DIGITALOCEAN_TOKEN": None}
    assert project.verb("url", **read).stdout == "http://127.0.0.9\n"
    assert "127.0.0.8" in project.verb("url", **read, DROPLET_IP="127.0.0.8").stdout
    file.chmod(0o644)
    done = project.verb("url", **read)
    assert done.returncode == 1
    assert "chmod 600 .env" in done.stdout


def test_the_example_is_what_the_settings_are() -> None:
    """Else: make --silent settings >.env.example."""
    example = (ROOT / ".env.example").read_text()
    assert example == listed.text()
    named = re.findall(r"^#([A-Z]\w+)=|^# ([A-Z][\w, ]+)  ", example, re.MULTILINE)
    assert sorted("".join(pair) for pair in named) == sorted([*KNOWN, *listed.OTHERS])
    longest = max(len(line) for line in example.splitlines() if "://" not in line)
    assert longest <= 80


def test_every_line_of_the_example_may_be_taken_as_it_is(load: Load) -> None:
    example = (ROOT / ".env.example").read_text()
    found = load(re.sub(r"^#([A-Z])", r"\1", example, flags=re.MULTILINE))
    defaults = {one.metadata["name"]: one.default for one, _ in Settings().every()}
    assert {name: found[name] for name, stays in KNOWN.items() if stays} == {
        name: default for name, default in defaults.items() if KNOWN[name]
    }


def test_terraform_and_compose_have_the_same_defaults() -> None:
    defaults = {one.metadata["name"]: one.default for one, _ in Settings().every()}
    text = "".join(file.read_text() for file in TERRAFORM.glob("*.tf"))
    blocks = re.findall(r'^variable "(\w+)" {\n(.*?)^}', text, re.MULTILINE | re.DOTALL)
    variables = {
        f"TF_VAR_{name}": re.findall(r"^  default += (.*)$", block, re.MULTILINE)[0]
        for name, block in blocks
    }
    theirs = {
        name: "" if value == "null" else value.strip('"') for name, value in variables.items()
    }
    assert {name: value for name, value in defaults.items() if name.startswith("TF_VAR_")} == theirs
    compose = (ROOT / "docker-compose.yml").read_text()
    for name, value in re.findall(r"\$\{([A-Z_]+):-([^$}]*)\}", compose):
        assert defaults[name] == value, name
    volume = yaml.safe_load(compose)["volumes"]["postgres"]["name"]
    assert volume == "${POSTGRES_VOLUME:-${COMPOSE_PROJECT_NAME}_postgres}"
    assert defaults["POSTGRES_VOLUME"] == "digits_postgres"


def test_the_prices_are_those_of_the_price_list() -> None:
    means = {one.metadata["name"]: one.metadata["means"] for one, _ in Settings().every()}

    def dollars(name: str) -> list[float]:
        return [float(price) for price in re.findall(r"\$(\d+)", means[name])]

    assert dollars("TF_VAR_database_size") == list(prices.DATABASES.values())
    assert all(size in means["TF_VAR_database_size"] for size in prices.DATABASES)
    assert dollars("TF_VAR_managed_database") == [min(prices.DATABASES.values())]
    assert dollars("TF_VAR_balancer_nodes") == [prices.BALANCER_NODE]
    assert dollars("TF_VAR_backup_bucket") == [prices.SPACE]
    shares = re.findall(
        r"(weekly|daily) for (\d+)%", re.sub(" of its price", "", means["TF_VAR_backups"])
    )
    assert {often: int(share) / 100 for often, share in shares} | {"off": 0} == prices.BACKUPS


def test_git_ignores_it_and_keeps_the_example() -> None:
    ignored = ["git", "check-ignore", "--quiet", "--no-index"]
    assert subprocess.run([*ignored, ".env"], cwd=ROOT, check=False).returncode == 0
    assert subprocess.run([*ignored, ".env.example"], cwd=ROOT, check=False).returncode == 1
