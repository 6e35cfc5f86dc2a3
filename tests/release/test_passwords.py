"""make up: the files with the database's passwords, lost, changed or in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.console.errors import Failed
from ops.verbs import up


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a clone has the app's password, which is not there yet."""
    monkeypatch.setattr(up, "ROOT", tmp_path)
    return tmp_path / up.APP_PASSWORD


def make() -> bool:
    return up._make(up.APP_PASSWORD)


@pytest.mark.parametrize("before", ["nothing", "an empty file", "an empty folder"])
def test_a_password_is_made(file: Path, before: str) -> None:
    if before != "nothing":
        file.parent.mkdir(0o700)
        file.mkdir() if before == "an empty folder" else file.write_text("\n")
    assert make()
    assert len(file.read_text().strip()) == 48
    assert file.stat().st_mode & 0o004
    assert file.parent.stat().st_mode & 0o077 == 0
    assert not make(), "it is made once"


def test_a_password_of_a_person_stays_and_the_containers_can_read_it(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('it\'s "another" one')
    file.chmod(0o600)
    assert not make()
    assert file.read_text() == 'it\'s "another" one'
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_folder_with_something_in_it_is_not_removed(file: Path) -> None:
    (file / "mine").mkdir(parents=True)
    with pytest.raises(Failed, match="is a folder, where the file with") as caught:
        make()
    assert f"sudo rm -r {up.APP_PASSWORD}" in caught.value.then[0]
    assert (file / "mine").exists()
