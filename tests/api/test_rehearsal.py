"""The rehearsal beside the real road: it has its own Terraform root, and touches no other."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops.console import distribution
from ops.console.errors import Failed
from ops.console.settings import Settings
from rehearsal import terraform_root
from rehearsal.commands import need_packages
from rehearsal.offline import provider_package
from rehearsal.standing import up
from tests.project import PYTHON, ROOT, TERRAFORM, TOKEN, Api, Terraform


def files_of(folder: Path) -> dict[str, str]:
    """Every file under a folder, with what is in it."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A copy of infra/terraform, as a fresh clone has it."""
    left_out = shutil.ignore_patterns(".terraform*", "*.tfstate*")
    return shutil.copytree(TERRAFORM, tmp_path / "infra/terraform", ignore=left_out)


def test_a_rehearsal_leaves_the_real_root_as_it_is(
    real: Path, terraform_settings: dict[str, str], api: Api, tmp_path: Path
) -> None:
    (real / ".terraform.lock.hcl").write_text("the real provider's\n")
    (real / "terraform.tfstate").write_text("the real deployment's\n")
    before = files_of(real)
    root = tmp_path / "root"
    terraform_root.make(root, real)
    settings = terraform_settings | {
        "DIGITALOCEAN_API_URL": api.url,
        "DIGITALOCEAN_TOKEN": TOKEN,
        "TF_VAR_ssh_public_key_path": str(real / "tests/fixtures/key.pub"),
    }
    rehearsed = Terraform(root, settings)
    rehearsed.good("init", "-input=false")
    rehearsed.good("apply", "-auto-approve", "-input=false")
    assert api.call("GET", "droplets").json()["meta"]["total"] == 1
    rehearsed.good("destroy", "-auto-approve", "-input=false")
    assert {".terraform.lock.hcl", "terraform.tfstate"} <= set(files_of(root))
    assert files_of(real) == before


def test_the_real_lock_file_is_terraforms_own_before_and_after_a_rehearsal(
    real: Path, terraform_settings: dict[str, str], tmp_path: Path
) -> None:
    """With the registry reachable, here as a folder that holds another package of that name."""
    provider_package.install_stand_in(tmp_path / "provider")
    settings = terraform_settings | provider_package.settings(tmp_path / "provider")
    mirror = shutil.copytree(tmp_path / "provider/mirror", tmp_path / "registry")
    [program] = mirror.rglob("terraform-provider-*")
    program.write_text(program.read_text() + "# the registry's\n")
    config = tmp_path / "terraformrc"
    config.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
    )
    deployed = Terraform(real, settings | {"TF_CLI_CONFIG_FILE": str(config)})
    deployed.good("init", "-input=false")
    lock = (real / ".terraform.lock.hcl").read_text()

    root = tmp_path / "root"
    terraform_root.make(root, real)
    Terraform(root, settings).good("init", "-input=false")
    assert (root / ".terraform.lock.hcl").read_text() != lock, "two packages, two hashes"
    assert (real / ".terraform.lock.hcl").read_text() == lock
    deployed.good("init", "-input=false", "-lockfile=readonly")


def test_what_changes_in_the_real_root_is_seen(real: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    terraform_root.make(root, real)
    (root / "terraform.tfstate").write_text("the rehearsal's")
    (real / "dns.tf").write_text("# new\n")
    (real / "project.tf").unlink()
    terraform_root.make(root, real)
    assert (root / "dns.tf").read_text() == "# new\n"
    assert not (root / "project.tf").is_symlink()
    assert (root / "terraform.tfstate").read_text() == "the rehearsal's"
    assert (root / "cloud-init.yaml").is_file(), "droplet.tf reads it"


def test_a_shared_state_stays_the_real_deployments(
    real: Path, terraform_settings: dict[str, str], tmp_path: Path
) -> None:
    versions = real / "versions.tf"
    block = '\n  backend "s3" {\n    bucket = "ours"\n    key    = "digits"\n  }\n'
    text = versions.read_text()
    versions.write_text(text.replace("terraform {\n", "terraform {" + block, 1))
    root = tmp_path / "root"
    terraform_root.make(root, real)
    output = Terraform(root, terraform_settings).good("init", "-input=false")
    assert 'backend "local"' in output
    versions.write_text(text)
    terraform_root.make(root, real)
    assert [
        file.name for file in root.iterdir() if file.suffix == ".tf" and not file.is_symlink()
    ] == []


def rehearsal(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run python -m rehearsal."""
    command = [sys.executable, "-m", "rehearsal", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_without_a_verb_it_says_what_there_is() -> None:
    done = rehearsal()
    assert done.returncode == 2
    assert "down" in done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The rehearsal in a folder of its own, where none stands."""
    for part in ("ops", "rehearsal"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, tmp_path / "it's" / part, ignore=left_out)
    return tmp_path / "it's"


def test_what_a_rehearsal_needs_is_named_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Failed) as failed:
        up()
    wanted = f"{distribution.package('docker')} openssh-client"
    assert failed.value.lines() == [
        f"Not installed, and this needs it: {wanted}.",
        f"Install it: sudo apt-get install {wanted}",
    ]


def test_where_there_is_no_linux_the_dev_container_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(Failed) as failed:
        up()
    assert "needs Linux" in failed.value.what
    assert (ROOT / "docs/dev-container.md").exists()
    assert "docs/dev-container.md" in failed.value.lines()[-1]


def test_a_program_in_a_folder_that_only_root_has_in_its_path_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    need_packages({"ldconfig": "libc-bin"})


def test_there_are_no_settings_where_no_rehearsal_stands(copy: Path) -> None:
    done = rehearsal("env", cwd=copy)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "There is no rehearsal to point at." in done.stderr
    assert "scripts/in rehearsal -m rehearsal up" in done.stderr


@pytest.fixture
def standing(copy: Path) -> Path:
    """The folder of a rehearsal that stands, as far as its settings go."""
    state = copy / ".rehearsal"
    state.mkdir()
    (state / "api-url").write_text("http://127.0.0.1:1\n")
    (state / "token").write_text("a word\n")
    return state


# Of all settings, those that a rehearsal takes from the environment that it is started in.
TAKEN = {
    *("DROPLET", "DROPLET_ID", "WITHOUT", "CONFIRM", "REPLACE", "BACKUP", "DROP_COPIES"),
    *("BRING_BACKUP", "FILE", "RESTORE", "ACME", "SSH_OPTIONS", "SSH_ACCEPT_NEW", "GH_REPO"),
    *("COPIES_SSH_KEY", "APP_FOLDER", "TORCH_INDEX", "SOURCE_URL", "PIP_CONF", "IMAGE"),
    *("COMMIT", "NO_PULL", "REGISTRY_PORT", "REGISTRY_USER", "REGISTRY_PASSWORD"),
    *("HEALTHY_WITHIN", "WAIT", "PUSHED_AT", "RELEASE", "RELEASED_BY", "VERSION", "DROP"),
    *("URL", "FOLLOW"),
}
# What other programs read, and would reach the real deployment by.
OF_PROGRAMS = (
    *("DIGITALOCEAN_ACCESS_TOKEN", "SPACES_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "TF_WORKSPACE", "TF_DATA_DIR", "TF_CLI_ARGS"),
    *("ANSIBLE_INVENTORY", "RESTIC_PASSWORD", "GH_CONFIG_DIR"),
)
OF_THE_SHELL = ("SSH_AUTH_SOCK", "EDITOR", "A_SECRET_OF_NEXT_YEAR")


def test_what_is_exported_for_the_real_deployment_leads_nowhere(
    copy: Path, standing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verb gets only what is listed: a new setting leads nowhere until somebody lists it."""
    names = [one.metadata["name"] for one, _ in Settings().every()]
    for name in (*names, *OF_PROGRAMS, *OF_THE_SHELL):
        if name != "COPIES_REPOSITORY":
            monkeypatch.setenv(name, "real")
    of_terraform = {name for name in names if name.startswith("TF_VAR_")}
    # A rehearsal has two of them itself.
    taken = (TAKEN | of_terraform) - {"ACME", "TF_VAR_ssh_public_key_path"}
    own = {f"GH_CONFIG_DIR={standing / 'gh'}", "PIPELINE_TOKEN=mine", "ACME=off", "ENV_FILE="}

    def real(printed: str) -> set[str]:
        lines = printed.splitlines()
        assert own <= set(lines)
        return {line.removesuffix("=real") for line in lines if line.endswith("=real")}

    script = "from rehearsal.settings import environment\n"
    script += "print(*(f'{name}={value}' for name, value in environment().items()), sep='\\n')"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True)
    assert real(done.stdout) == taken
    # A person's shell keeps what is its own.
    shell = ["bash", "-euc", 'eval "$1"; env', "bash", rehearsal("env", cwd=copy).stdout]
    done = subprocess.run(shell, env=os.environ, capture_output=True, text=True, check=True)
    assert real(done.stdout) == taken | set(OF_THE_SHELL)


def test_a_rehearsal_reads_no_env_file(copy: Path, standing: Path) -> None:
    assert standing.exists()
    file = copy / ".env"
    file.touch(mode=0o600)
    file.write_text("DROPLET_IP=127.0.0.9\nDIGITALOCEAN_TOKEN=real\n")
    printed = rehearsal("env", cwd=copy).stdout
    command = f'eval "$1"; exec {shlex.quote(str(ROOT / PYTHON))} -m ops url'
    shell = ["bash", "-euc", command, "bash", printed]
    environment = {name: value for name, value in os.environ.items() if name != "ENV_FILE"}
    done = subprocess.run(
        shell, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "127.0.0.9" not in done.stdout
    assert "The DigitalOcean API does not answer" in done.stderr, "the local one of this rehearsal"


@pytest.mark.parametrize(
    ("place", "refused"),
    [
        ("sftp:me@backup.example:/digits", True),
        ("s3:https://fra1.digitaloceanspaces.com/digits", True),
        ("sftp:root@127.0.0.1.example:/srv", True),
        ("sftp:root@127.0.0.1:/srv/copies", False),
        ("none", False),
        ("", False),
    ],
)
def test_a_rehearsal_makes_no_copies_elsewhere(
    copy: Path, standing: Path, monkeypatch: pytest.MonkeyPatch, place: str, refused: bool
) -> None:
    assert standing.exists()
    monkeypatch.setenv("COPIES_REPOSITORY", place)
    for verb in ("env", "deploy") if refused else ("env",):
        done = rehearsal(verb, cwd=copy)
        assert done.returncode == int(refused)
        assert ("is not on this machine" in done.stderr) == refused


def test_the_settings_are_what_a_shell_reads(
    copy: Path, standing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_WORKSPACE", "mine")
    state = standing
    printed = rehearsal("env", cwd=copy).stdout
    script = 'eval "$1"; printf "%s\\n" "$TERRAFORM_DIR" "$DIGITALOCEAN_TOKEN" "${TF_WORKSPACE-}"'
    shell = ["bash", "-euc", script, "bash", printed]
    read = subprocess.run(shell, env=os.environ, capture_output=True, text=True, check=True)
    assert read.stdout.splitlines() == [str(state / "terraform"), "a word", ""]


def test_the_droplets_of_another_clone_are_in_the_way(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(
        "#!/bin/sh\ncase $1 in ps) echo digits-rehearsal-1001 ;; *) echo 28.1.0 ;; esac\n"
    )
    docker.chmod(0o755)
    for other in ("ssh-keygen", "terraform"):  # not every machine that runs this has them
        (docker.parent / other).symlink_to(docker)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    for verb in ("up", "status", "destroy"):
        done = rehearsal(verb, cwd=copy)
        assert done.returncode == 1
        assert "digits-rehearsal-1001" in done.stderr
        assert done.stderr.strip().endswith("scripts/in rehearsal -m rehearsal down")
        assert not (copy / ".rehearsal").exists()
