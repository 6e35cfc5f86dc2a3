"""What is set, as people set it: cleaned once, where it enters, and refused where it cannot be."""

from __future__ import annotations

import json
import locale
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from ops.console.errors import Failed
from ops.console.programs import who_releases
from ops.console.settings import ROOT, Settings

Read = Callable[..., Settings]


@pytest.fixture
def read() -> Read:
    """Read the settings from this environment and nothing else."""

    def read(**environment: str) -> Settings:
        with mock.patch.dict(os.environ, environment, clear=True):
            return Settings.read()

    return read


@pytest.fixture
def inherited() -> Callable[..., dict[str, str]]:
    """The environment that a program gets from a verb which was typed in this one."""

    def inherited(**environment: str) -> dict[str, str]:
        with mock.patch.dict(os.environ, environment, clear=True):
            Settings.read()
            return dict(os.environ)

    return inherited


@pytest.mark.parametrize("given", ["dop_v1_abc\r", " dop_v1_abc\r\n", "\tdop_v1_abc \n"])
def test_a_token_from_a_file_of_windows(
    read: Read, inherited: Callable[..., dict[str, str]], given: str
) -> None:
    assert read(DIGITALOCEAN_TOKEN=given).account.token == "dop_v1_abc"
    assert inherited(DIGITALOCEAN_TOKEN=given)["DIGITALOCEAN_TOKEN"] == "dop_v1_abc"


@pytest.mark.parametrize(
    ("name", "value", "about"),
    [
        ("DIGITALOCEAN_TOKEN", "dop_v1_\u200babc", r"holds the character '\\u200b'"),
        ("DIGITALOCEAN_TOKEN", "“dop_v1_abc”", r"holds the character '\\u201c'"),
        ("DIGITALOCEAN_TOKEN", "dop_v1\nabc", r"holds the character '\\n'"),
        ("RELEASED_BY", "a\tb", r"holds the character '\\t'"),
        ("RELEASED_BY", "Ren\udce9", "RELEASED_BY is not UTF-8 text"),
        ("RELEASE", "--help", "RELEASE=--help begins with a dash"),
        ("IMAGE", "-v", "IMAGE=-v begins with a dash"),
        ("TF_VAR_name", "-digits", "TF_VAR_name=-digits begins with a dash"),
        ("HEALTHY_WITHIN", "soon", "HEALTHY_WITHIN=soon is no whole number"),
        ("WAIT", "\u0665", "WAIT=\u0665 is no whole number"),
        ("COPIES_PASSWORD_FILE", "~nobody-here/x", "begins with ~nobody-here, and this machine"),
    ],
)
def test_what_no_program_could_use_is_refused(
    read: Read, name: str, value: str, about: str
) -> None:
    with pytest.raises(Failed, match=about) as caught:
        read(**{name: value})
    assert name in caught.value.then[-1]


def test_what_only_looks_odd_is_taken(read: Read) -> None:
    assert read(RELEASED_BY="René Müller").release.released_by == "René Müller"
    assert read(COPIES_SECRET_ACCESS_KEY="-+/=").offsite.secret_key == "-+/="
    assert read(SSH_OPTIONS="-o Port=22").ssh.options == "-o Port=22"
    assert read(FOLLOW="").view.follow == ""
    assert read(PORT=" ").local.port == "8501"
    key = "-----BEGIN KEY-----\r\nx\r\n-----END KEY-----\r\n"
    assert read(DEPLOY_KEY=key).pipeline.deploy_key == "-----BEGIN KEY-----\nx\n-----END KEY-----"


def test_every_path_may_begin_with_the_home_folder(read: Read, tmp_path: Path) -> None:
    """Every file and folder among the settings: ./~ is no folder that anybody wants."""
    kinds = {one.metadata["name"]: one.metadata["kind"] for one, _ in Settings().every()}
    paths = [name for name, kind in kinds.items() if kind == "path"]
    found = read(HOME=str(tmp_path), **dict.fromkeys(paths, "~/here"))
    read_as = {one.metadata["name"]: value for one, value in found.every()}
    assert {read_as[name] for name in paths} == {str(tmp_path / "here")}
    # None is forgotten when another one is added.
    about = [f.metadata for f, _ in Settings().every()]
    filed = {one["name"] for one in about if re.search(r"\b(file|folder)\b", one["means"])}
    assert filed <= {one["name"] for one in about if one["kind"] in ("path", "lines")}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("203.0.113.7", ["203.0.113.7/32"]),
        ("2001:db8::1", ["2001:db8::1/128"]),
        ("203.0.113.7, 198.51.100.0/24", ["203.0.113.7/32", "198.51.100.0/24"]),
        ("203.0.113.7 2001:db8::/64", ["203.0.113.7/32", "2001:db8::/64"]),
        ('["203.0.113.7/32"]', ["203.0.113.7/32"]),
        ('["203.0.113.7",]', ["203.0.113.7/32"]),
        ("['203.0.113.7']\r", ["203.0.113.7/32"]),
        ("[203.0.113.7]", ["203.0.113.7/32"]),
        ("office", ["office"]),
        ("[]", []),
    ],
)
def test_addresses_for_ssh_in_any_form(
    inherited: Callable[..., dict[str, str]], given: str, wanted: list[str]
) -> None:
    found = inherited(TF_VAR_allowed_ssh_addresses=given)["TF_VAR_allowed_ssh_addresses"]
    assert json.loads(found) == wanted
    assert inherited(TF_VAR_allowed_ssh_addresses=found)["TF_VAR_allowed_ssh_addresses"] == found


def test_a_domain_in_capitals(read: Read, inherited: Callable[..., dict[str, str]]) -> None:
    assert read(TF_VAR_domain="Digits.Example.ORG.").site.domain == "digits.example.org"
    found = inherited(TF_VAR_domain="DIGITS.example.org", TF_VAR_region="fra1\r")
    assert found["TF_VAR_domain"] == "digits.example.org"
    assert found["TF_VAR_region"] == "fra1"


def test_the_compose_settings_of_another_project(
    inherited: Callable[..., dict[str, str]],
) -> None:
    others = {"COMPOSE_FILE": "/srv/shop.yml", "COMPOSE_PROJECT_NAME": "shop"}
    found = inherited(**others, COMPOSE_PROFILES="debug", COMPOSE_PARALLEL_LIMIT="2")
    assert {name for name in found if name.startswith("COMPOSE_")} == {"COMPOSE_PARALLEL_LIMIT"}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_not_for_this_machine(
    inherited: Callable[..., dict[str, str]], name: str
) -> None:
    found = inherited(**{name: "http://proxy:3128", "NO_PROXY": "example.org, .local"})
    wanted = "example.org,.local,localhost,127.0.0.1,::1"
    assert found["no_proxy"] == found["NO_PROXY"] == wanted
    again = inherited(**found)
    assert again["no_proxy"] == wanted
    assert inherited(HTTP_PROXY="http://p", no_proxy="*")["NO_PROXY"] == "*"
    assert "NO_PROXY" not in inherited(HTTP_PROXY="")


@pytest.mark.parametrize(
    "given",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX"},
        {"LANG": "xx_XX.UTF-8"},
        {"LC_ALL": "de_DE.ISO-8859-1"},
        {"LANG": "C.UTF-8", "LC_TIME": "xx_XX.UTF-8"},
        {},
    ],
)
def test_a_locale_without_which_ansible_does_not_start(
    inherited: Callable[..., dict[str, str]], given: dict[str, str]
) -> None:
    own = locale.setlocale(locale.LC_ALL)
    found = inherited(**given)
    assert locale.setlocale(locale.LC_ALL) == own
    subprocess.run([ROOT / "scripts/venv", "ops"], check=True)
    path = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    # What ansible-playbook does first: it ends there if the locale is missing, or not UTF-8.
    begin = "from ansible import cli"
    done = subprocess.run(
        [ROOT / ".venv/ops/bin/python", "-c", begin],
        env=found | path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_locale_that_is_good_stays(inherited: Callable[..., dict[str, str]]) -> None:
    assert "LC_ALL" not in inherited(LANG="C.UTF-8")


@pytest.fixture
def git_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def say(name: bytes) -> None:
        (tmp_path / ".gitconfig").write_bytes(b"[user]\n\tname = " + name + b"\n")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.chdir(tmp_path)
    return say


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"Ren\xe9", "Ren�"),
        (b'"Ren\\t\xc3\xa9 \\n  X"', "Ren é X"),
        (b"Ren\xc3\xa9", "René"),
    ],
)
def test_a_name_that_git_has_in_any_bytes(
    git_says: Callable[[bytes], None], name: bytes, shown: str
) -> None:
    git_says(name)
    assert who_releases("").rpartition("@")[0] == shown


@pytest.mark.parametrize("script", ["in", "venv"])
def test_a_shell_that_exports_cdpath(tmp_path: Path, script: str) -> None:
    """With it, cd goes elsewhere, and prints where."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "scripts", clone / "scripts")
    (tmp_path / "elsewhere/scripts").mkdir(parents=True)
    stub = clone / ".venv/ops/bin/python"
    stub.parent.mkdir(parents=True)
    stub.write_text("#!/bin/sh\npwd\n")
    stub.chmod(0o755)
    (clone / "bin").mkdir()
    python = clone / "bin/python3"
    python.write_text("#!/bin/sh\npwd >&2\n")
    python.chmod(0o755)
    done = subprocess.run(
        [f"scripts/{script}", "ops"],
        cwd=clone,
        env=os.environ
        | {"CDPATH": str(tmp_path / "elsewhere"), "PATH": f"{clone}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {*done.stdout.split(), *done.stderr.split()} == {str(clone)}


def test_python_reads_utf_8_in_every_locale() -> None:
    done = subprocess.run(
        [ROOT / "scripts/in", "dev", "-c", "import sys; print(sys.flags.utf8_mode)"],
        env=os.environ | {"LC_ALL": "de_DE.ISO-8859-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1\n", done.stderr


def test_python_keeps_what_it_compiled() -> None:
    done = subprocess.run(
        [ROOT / "scripts/in", "dev", "-c", "import sys; print(sys.dont_write_bytecode)"],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "False\n", done.stderr
