"""Where offsite backups go: which settings are refused, and who keeps the password."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ops.backup import offsite
from ops.console.errors import Failed
from ops.console.settings import OffsiteSettings, SshSettings, TerraformSettings
from ops.ssh.connection import Host

S3 = OffsiteSettings(repository="s3:https://s3.example.org/mine", access_key="AK", secret_key="SK")
HERE = TerraformSettings()


def refusal(settings: OffsiteSettings) -> str:
    with pytest.raises(Failed) as error:
        offsite.repository(settings, HERE)
    return "\n".join(error.value.lines())


def test_nothing_is_set() -> None:
    assert offsite.repository(OffsiteSettings(), HERE) == ""
    host = Host(SshSettings(), "203.0.113.1")
    assert offsite.for_ansible(OffsiteSettings(), "", "digits", host, {}) == {}


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (
            OffsiteSettings(repository="/srv/copies"),
            ("COPIES_REPOSITORY=/srv/copies is no place", "s3:https://HOST/BUCKET or sftp:USER@"),
        ),
        (
            replace(S3, secret_key=""),
            ("export COPIES_ACCESS_KEY_ID=... COPIES_SECRET_ACCESS_KEY=...",),
        ),
        (replace(S3, bucket="mine"), ("Both TF_VAR_backup_bucket and COPIES_REPOSITORY",)),
    ],
)
def test_wrong_settings(settings: OffsiteSettings, parts: tuple[str, ...]) -> None:
    printed = refusal(settings)
    assert all(part in printed for part in parts)


def test_an_sftp_host_without_a_key(tmp_path: Path) -> None:
    sftp = OffsiteSettings(repository="sftp:me@host:/copies")
    assert "export COPIES_SSH_KEY=" in refusal(sftp)
    key = tmp_path / "key"
    assert f"ssh-keygen -t ed25519 -N '' -f {key}" in refusal(replace(sftp, ssh_key=str(key)))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "word", "-f", key], check=True)
    output = refusal(replace(sftp, ssh_key=str(key)))
    assert "is no private key, or has a passphrase that the droplet could not type" in output


def test_a_space_is_found_in_its_region() -> None:
    settings = OffsiteSettings(bucket="mine", bucket_region="ams3")
    assert offsite.repository(settings, HERE) == "s3:https://ams3.digitaloceanspaces.com/mine"


def reported(settings: OffsiteSettings, host: Host | None = None) -> dict[str, str]:
    place = offsite.repository(settings, HERE)
    given = offsite.for_ansible(settings, place, "digits", host, {})
    return dict(json.loads(given["COPIES"]))


def test_the_password_is_made_once_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(S3, password_file=str(tmp_path / "here/password"))
    first = reported(settings)
    file = tmp_path / "here/password"
    assert file.stat().st_mode & 0o777 == 0o600
    assert first["password"] == file.read_text().strip()
    assert len(first["password"]) == 48
    printed = capsys.readouterr().out
    assert "Keep it somewhere else, too" in printed
    assert first["password"] not in printed
    assert reported(settings) == first
    # Another laptop takes the droplet's.
    file.unlink()
    monkeypatch.setattr(Host, "ask", lambda _host, _command: f"{first['password']}\n")
    assert reported(settings, Host(SshSettings(), "203.0.113.1")) == first
    file.write_text("")
    with pytest.raises(Failed, match="is empty, and should hold the password"):
        reported(settings)


def test_offsite_backups_are_turned_off() -> None:
    settings = OffsiteSettings(repository="none")
    assert reported(settings) == {"repository": "none", "name": "digits"}
