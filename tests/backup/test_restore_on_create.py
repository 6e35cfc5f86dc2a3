"""The droplet is gone: make deploy creates another, which starts with the newest backup."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.backup.test_local_backup import FakeDroplet, name
from tests.deployment.test_destroy import remember_host
from tests.project import Api, Project

RELEASE = """
def release(_settings, _deployment, image):
    print("RELEASED", image.reference if image else "", image.commit if image else "")
"""
# It takes what is a dump, and nothing that is damaged.
RESTORE = 'read -r line; [ "$line" != damaged ] || exit 1; echo "restored $line" >>{log}'
SERVED = '{{"releases": [{{"name": "{}", "commit": "abc1234", "id": "sha256:x"}}]}}'


class Gone:
    """A deployment whose droplet was deleted in the control panel, and what is here of it."""

    def __init__(self, project: Project, api: Api) -> None:
        self.project, self.api = project, api
        self.log = project.folder / "restored"
        self.log.touch()
        project.settings["IMAGE"] = ""  # to be built, which RELEASE does not do
        (project.folder / "app").mkdir()
        (project.folder / "app/Dockerfile").touch()
        project.command("docker", "echo 28.0.0")
        project.deployed()
        [droplet] = api.call("GET", "droplets").json()["droplets"]
        self.url = api.call("GET", "reserved_ips").json()["reserved_ips"][0]["ip"]
        assert api.call("DELETE", f"droplets/{droplet['id']}").status_code == 204
        self.droplet = FakeDroplet(project)
        self.droplet.program("digits-restore", RESTORE.format(log=self.log))
        self.droplet.program(
            "docker", 'case $1 in exec) echo "12|24" ;; volume) echo digits_postgres ;; esac'
        )
        (project.folder / "ops/verbs/release.py").write_text(RELEASE)

    def here(self, age: timedelta, content: str = "a dump") -> Path:
        folder = self.project.folder / "backups/digits"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name(age)
        file.write_text(f"{content}\n")
        return file

    def repository(self, age: timedelta, image: str = "-", does: str = "") -> None:
        """Let the droplet have a repository with one copy."""
        when = name(age)[7:23]
        when = f"{when[:4]}-{when[4:6]}-{when[6:8]}T{when[9:11]}:{when[11:13]}:{when[13:15]}Z"
        does = does or f'echo "restored the copy" >>{self.log}'
        newest = {"when": when, "answers": 12, "image": image, "commit": "abc1234"}
        listed = json.dumps({"backups": [newest]})
        self.droplet.program(
            "digits-offsite", f"if [ $1 = list ]; then echo '{listed}'; else {does}; fi"
        )

    def serves(self, image: str) -> None:
        """Let an image be live on the droplet."""
        self.droplet.program("digits-releases", f"echo '{SERVED.format(image)}'")

    def deploy(self, **settings: str | None) -> tuple[int, str]:
        done = self.project.verb("deploy", **settings)
        return done.returncode, done.stdout

    def restored(self) -> list[str]:
        return self.log.read_text().splitlines()

    def droplets(self) -> int:
        return int(self.api.call("GET", "droplets").json()["meta"]["total"])


@pytest.fixture
def gone(project: Project, api: Api) -> Gone:
    return Gone(project, api)


def test_the_newest_dump_here_is_restored_at_the_same_address(gone: Gone) -> None:
    gone.here(timedelta(hours=20), "older")
    newest = gone.here(timedelta(hours=2), "newest")
    remember_host(gone.project, "203.0.113.1")
    status, printed = gone.deploy(RESTORE="newest")
    assert status == 0
    assert gone.restored() == ["restored newest"]
    assert f"Restoring backups/digits/{newest.name}, of " in printed
    assert "UTC, 2 h old" in printed
    assert "12 answers restored. Predictions after " in printed
    assert "2 h ago, are not in it: about 2 answers at the pace of the last day" in printed
    # Another clone may have a newer dump, which nobody here knows of.
    assert "Lost is at most" not in printed
    assert "If another clone or laptop manages digits, too" in printed
    assert gone.droplets() == 1
    [address] = gone.api.call("GET", "reserved_ips").json()["reserved_ips"]
    assert (address["ip"], address["droplet"] is not None) == (gone.url, True)
    assert printed.index("Restoring") < printed.index("RELEASED")


def test_with_nobody_to_ask_nothing_is_made(gone: Gone) -> None:
    dump = gone.here(timedelta(hours=2))
    status, printed = gone.deploy()
    assert status != 0
    assert f"there is a backup: backups/digits/{dump.name}" in printed
    assert "the same command with RESTORE=newest, or with RESTORE=none" in printed
    assert gone.droplets() == 0
    status, printed = gone.deploy(RESTORE="nowhere.dump")
    assert "There is no dump at nowhere.dump that you may read." in printed
    assert (status != 0, gone.droplets()) == (True, 0)


def test_asked_on_a_terminal(gone: Gone) -> None:
    gone.here(timedelta(hours=2))
    older = gone.here(timedelta(days=3), "the one that I want")
    ours, gone.project.stdin = os.openpty()
    os.write(ours, f"backups/digits/{older.name}\n".encode())
    status, printed = gone.deploy()
    os.close(ours)
    assert "This droplet is new. The newest backup: backups/digits/" in printed
    assert "Start with it? Type newest, none, or the name of a dump:" in printed
    assert (status, gone.restored()) == (0, ["restored the one that I want"])


def test_none_and_nothing_to_restore(gone: Gone) -> None:
    assert gone.deploy(RESTORE="newest")[0] != 0  # there is none
    status, printed = gone.deploy()  # nothing to ask about
    assert (status, gone.restored()) == (0, [])
    assert "restored." not in printed
    gone.here(timedelta(hours=1))
    assert gone.deploy(RESTORE="none")[0] == 0
    assert gone.restored() == []


def test_a_newer_offsite_backup_comes_before_an_older_dump(gone: Gone) -> None:
    gone.here(timedelta(hours=2))
    gone.repository(timedelta(minutes=40))
    status, printed = gone.deploy(RESTORE="newest")
    assert (status, gone.restored()) == (0, ["restored the copy"])
    assert "Restoring the newest offsite backup (12 answers), of " in printed
    assert re.search(r"[45]\d min ago", printed)


def test_what_cannot_be_restored_is_passed_over(gone: Gone) -> None:
    gone.repository(timedelta(minutes=40), does="exit 1")
    gone.here(timedelta(hours=2), "damaged")
    gone.here(timedelta(hours=3), "good")
    status, printed = gone.deploy(RESTORE="newest")
    assert (status, gone.restored()) == (0, ["restored good"])
    assert printed.count("That one could not be restored; why is above.") == 2
    assert "3 h ago" in printed


def test_a_repository_that_does_not_answer_is_no_empty_one(gone: Gone) -> None:
    gone.droplet.program("digits-offsite", "echo 'They cannot be reached.' >&2; exit 1")
    for restore in ("newest", ""):
        status, printed = gone.deploy(RESTORE=restore)
        assert status != 0
        assert "The repository of offsite backups does not answer; why is above." in printed
        assert "RELEASED" not in printed
    dump = gone.here(timedelta(hours=1))
    assert gone.deploy(RESTORE=f"backups/digits/{dump.name}")[0] == 0
    assert gone.restored() == ["restored a dump"]


def test_nothing_that_can_be_restored_is_no_empty_deployment(gone: Gone) -> None:
    gone.here(timedelta(hours=2), "damaged")
    status, printed = gone.deploy(RESTORE="newest")
    assert status != 0
    assert "No backup could be restored; the reasons are above." in printed
    assert "RELEASED" not in printed
    gone.here(timedelta(hours=3), "good")
    assert gone.deploy(RESTORE="newest")[0] == 0
    assert gone.restored() == ["restored good"]


def test_cut_off_it_goes_on_and_what_is_live_is_left_alone(gone: Gone) -> None:
    gone.here(timedelta(hours=2), "good")
    restore = RESTORE.format(log=gone.log)
    gone.droplet.program("digits-restore", f"{restore}; kill -9 $PPID")
    assert gone.deploy(RESTORE="newest")[0] != 0
    gone.droplet.program("digits-restore", restore)
    status, printed = gone.deploy()
    assert status != 0
    assert "It is set up, and nothing is in service yet." in printed
    assert gone.deploy(RESTORE="newest")[0] == 0
    assert gone.restored() == ["restored good"] * 2
    gone.serves("digits:1")
    status, printed = gone.deploy(RESTORE="newest")
    assert status == 0
    assert "this one is in service: nothing was restored" in printed
    assert len(gone.restored()) == 2


@pytest.mark.parametrize(
    ("image", "released"),
    [
        ("ghcr.io/you/digits@sha256:1", "RELEASED ghcr.io/you/digits@sha256:1 abc1234"),
        ("127.0.0.1:5050/digits:06bdcccd4e52", "RELEASED"),  # only the lost droplet had it
        ("ghcr.io/private/digits:1", "RELEASED"),
    ],
)
def test_the_image_that_was_live_is_released_again(gone: Gone, image: str, released: str) -> None:
    gone.repository(timedelta(minutes=40), image=image)
    gone.droplet.program(
        "docker", 'case "$*" in pull*private*) exit 1 ;; exec*) echo "1|1" ;; esac'
    )
    status, printed = gone.deploy(RESTORE="newest")
    assert status == 0
    assert released in [line.strip() for line in printed.splitlines()]
    assert ("cannot be pulled" in printed) == ("private" in image)


def test_the_live_image_is_noted_with_the_copied_dump(gone: Gone) -> None:
    """For a droplet without a repository."""
    gone.project.deployed()
    gone.serves("ghcr.io/you/d@sha256:1")
    gone.droplet.dump(timedelta(hours=1), content="a dump\n")
    gone.project.verb("status")
    [droplet] = gone.api.call("GET", "droplets").json()["droplets"]
    gone.api.call("DELETE", f"droplets/{droplet['id']}")
    (gone.droplet.root / "bin-of-droplet/digits-releases").unlink()
    printed = gone.deploy(RESTORE="newest")[1]
    assert "The image in service was ghcr.io/you/d@sha256:1, commit abc1234." in printed
    assert "RELEASED ghcr.io/you/d@sha256:1 abc1234" in printed


def test_a_replaced_droplet_gets_its_last_backup_back_unasked(project: Project, api: Api) -> None:
    gone = Gone(project, api)
    project.deployed()
    gone.serves("digits:1")
    dump = gone.droplet.dump(timedelta(), "manual", "the last answers\n")
    # The dump is the old droplet's, and the new one has served nobody.
    gone.droplet.program(
        "digits-backup",
        f"rm {gone.droplet.root}/bin-of-droplet/digits-releases; "
        f'echo \'{{"path": "/var/backups/digits/{dump.name}"}}\'',
    )
    status, printed = gone.deploy(TF_VAR_region="ams3", REPLACE="yes")
    assert status == 0
    assert gone.restored() == ["restored the last answers"]
    assert printed.index("Backed up to") < printed.index("Restoring")
