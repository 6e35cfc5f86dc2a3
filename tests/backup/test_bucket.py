"""A Space for offsite backups: Terraform makes it, and the droplet's key opens no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adoption.test_adopt import NOTHING, clone, plan
from tests.api import conformance
from tests.project import (
    APPLY,
    PROVIDER_SETTINGS,
    ROOT,
    Api,
    Project,
    Terraform,
    environment,
    running_provider,
)

# Answers until its input ends.
SPACES = """
import json, pathlib, sys
from rehearsal import spaces
state = pathlib.Path(sys.argv[1])
print(spaces.serve("127.0.0.1", lambda: json.loads(state.read_text())["spaces_keys"]), flush=True)
sys.stdin.read()
"""
BUCKET = {"TF_VAR_backup_bucket": "my-copies"}


@pytest.fixture
def spaces(
    api: Api, terraform_settings: dict[str, str], tmp_path: Path
) -> Iterator[dict[str, str]]:
    """What stands in for Spaces: where it is, and a provider that knows it."""
    command = (environment("rehearsal"), "-c", SPACES, api.folder / "state.json")
    pipe = subprocess.PIPE
    with (
        (tmp_path / "spaces.log").open("w") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log, text=True
        ) as process,
    ):
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        own = {**PROVIDER_SETTINGS, "DIGITALOCEAN_API_URL": api.url, "SPACES_ENDPOINT_URL": url}
        with running_provider(terraform_settings, **own) as running:
            yield running | {"SPACES_ENDPOINT_URL": url}


@pytest.fixture
def with_bucket(terraform: Terraform, spaces: dict[str, str]) -> Terraform:
    terraform.settings |= BUCKET | spaces
    return terraform


def grants(api: Api) -> dict[str, list[dict[str, str]]]:
    return {key["name"]: key["grants"] for key in api.call("GET", "spaces/keys").json()["keys"]}


def test_from_a_name_to_a_bucket_and_back(with_bucket: Terraform, api: Api) -> None:
    planned = with_bucket.good("plan", "-input=false")
    assert "Plan: 10 to add" in planned
    applied = with_bucket.good(*APPLY)
    state = json.loads((with_bucket.folder / "terraform.tfstate").read_text())
    key = state["outputs"]["backup_key"]["value"]
    for text in (planned, applied, with_bucket.good("output")):
        assert key["secret_key"] not in text
    assert grants(api) == {
        "digits-terraform": [{"bucket": "", "permission": "fullaccess"}],
        "digits-copies": [{"bucket": "my-copies", "permission": "readwrite"}],
    }
    assert "No changes." in with_bucket.good("plan", "-input=false")
    with_bucket.good("destroy", "-auto-approve", "-input=false")
    assert grants(api) == {}
    assert conformance.check(api.journal) == []


@pytest.mark.parametrize("name", ["My-Copies", "a", "my_copies", "-copies", "x" * 64])
def test_a_name_that_no_space_may_have(prepared: Terraform, name: str) -> None:
    done = prepared.run("plan", "-input=false", TF_VAR_backup_bucket=name)
    assert done.returncode != 0
    assert "3 to 63 small letters" in done.stdout


def test_a_bucket_is_removed_only_if_that_is_meant(
    project: Project, api: Api, spaces: dict[str, str]
) -> None:
    project.without("ops/verbs/release.py")
    project.ssh_says("exit 0")
    settings = {**spaces, "RESTORE": "none"}
    made = project.verb("deploy", **BUCKET, **settings)
    assert made.returncode == 0
    assert f"Hourly offsite backups: s3:{spaces['SPACES_ENDPOINT_URL']}/my-copies" in made.stdout
    assert "A Space costs $5 a month" in made.stdout
    secret = next(iter(json.loads((api.folder / "state.json").read_text())["spaces_keys"].values()))
    assert secret["secret_key"] not in made.stdout

    kept = project.verb("deploy", **settings)
    assert kept.returncode == 0
    assert "  TF_VAR_backup_bucket=my-copies\n" in kept.stdout
    settings["TF_VAR_backup_bucket"] = ""
    refused = project.verb("deploy", **settings)
    assert refused.returncode != 0
    assert "Offsite backups go to the Space my-copies" in refused.stdout
    assert "export TF_VAR_backup_bucket=my-copies" in refused.stdout
    assert len(grants(api)) == 2

    meant = project.verb("deploy", DROP_COPIES="yes", **settings)
    assert meant.returncode == 0
    assert grants(api) == {}


def test_a_second_laptop_adopts_it_and_removes_it_all(
    project: Project, api: Api, spaces: dict[str, str]
) -> None:
    project.without("ops/verbs/release.py")
    project.ssh_says("exit 0")
    settings = {**spaces, "RESTORE": "none"}
    assert project.verb("deploy", **BUCKET, **settings).returncode == 0
    second = clone(project)

    refused = second.verb("deploy", **BUCKET, **settings)
    assert refused.returncode != 0
    assert "space my-copies" in refused.stdout
    refused = second.verb("adopt", **settings)
    assert refused.returncode != 0
    assert "export TF_VAR_backup_bucket=my-copies" in refused.stdout
    assert not (second.folder / "infra/terraform/terraform.tfstate").exists()

    adopted = second.verb("adopt", **BUCKET, **settings)
    assert adopted.returncode == 0
    assert "Imported space my-copies." in adopted.stdout
    assert NOTHING in adopted.stdout
    for laptop in (second, project):
        assert plan(laptop, **BUCKET, **settings) == ""
    for key in json.loads((api.folder / "state.json").read_text())["spaces_keys"].values():
        assert key["secret_key"] not in adopted.stdout
    assert "Nothing to adopt" in second.verb("adopt", **BUCKET, **settings).stdout

    gone = second.verb("destroy", CONFIRM="digits", BACKUP="no", **settings)
    assert gone.returncode == 0
    assert "spaces key  digits-terraform" in gone.stdout.partition("Left, and free of charge")[2]
    # The other laptop's key to all Spaces is not ours to remove; that to this one opens nothing.
    assert list(grants(api)) == ["digits-terraform"]
    assert conformance.check(api.journal) == []


IN_THE_SPACE = """
import json, os, sys, boto3
from botocore.config import Config
state = json.loads(open("terraform.tfstate").read())["resources"]
keys = {
    one["name"]: one["instances"][0]["attributes"] for one in state if "spaces_key" in one["type"]
}
def s3(name):
    return boto3.client(
        "s3", endpoint_url=os.environ["SPACES_ENDPOINT_URL"], region_name="us-east-1",
        aws_access_key_id=keys[name]["access_key"], aws_secret_access_key=keys[name]["secret_key"],
        config=Config(s3={"addressing_style": "path"}),
    )
droplet, maker = s3("droplet"), s3("maker")
where = {"Bucket": "my-copies"}
"""


def test_what_the_droplets_key_removes_can_be_brought_back(with_bucket: Terraform) -> None:
    """After a plain removal: DigitalOcean may let this key remove a version by its number, too."""
    with_bucket.good(*APPLY)
    script = """
droplet.put_object(**where, Key="data/1", Body=b"a copy")
droplet.put_object(**where, Key="data/1", Body=b"scribbled over")
droplet.delete_object(**where, Key="data/1")
print("there", droplet.list_objects_v2(**where)["KeyCount"])
found = maker.list_object_versions(**where)
for one in (*found["DeleteMarkers"], *(v for v in found["Versions"] if v["Size"] > 6)):
    maker.delete_object(**where, Key=one["Key"], VersionId=one["VersionId"])
print(droplet.get_object(**where, Key="data/1")["Body"].read().decode())
[rule] = maker.get_bucket_lifecycle_configuration(**where)["Rules"]
print(rule["Status"], rule["NoncurrentVersionExpiration"], rule["Expiration"])
"""
    done = subprocess.run(
        [environment("rehearsal"), "-c", IN_THE_SPACE + script],
        cwd=with_bucket.folder,
        env=os.environ | with_bucket.settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "there 0",
        "a copy",
        "Enabled {'NoncurrentDays': 30} {'ExpiredObjectDeleteMarker': True}",
    ], done.stderr
    # With versions in it, it goes all the same when it is meant.
    with_bucket.good("destroy", "-auto-approve", "-input=false")


def test_a_space_of_an_older_version_of_this_gets_versions(with_bucket: Terraform) -> None:
    file = with_bucket.folder / "backup_bucket.tf"
    text = file.read_text()
    file.write_text(
        re.sub(
            r"  versioning \{.*?\n  }\n|  lifecycle_rule \{.*?\n  }\n", "", text, flags=re.DOTALL
        )
    )
    with_bucket.good(*APPLY)
    file.write_text(text)
    assert "1 to change, 0 to destroy" in with_bucket.good("plan", "-input=false")
    with_bucket.good(*APPLY)
    assert "No changes." in with_bucket.good("plan", "-input=false")
