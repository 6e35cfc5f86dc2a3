"""What Ansible copies as one archive: all of infra/ansible/files, the same bytes each time."""

from __future__ import annotations

import os
import tarfile

from ops.provision import package


def test_it_has_every_file_and_who_may_read_it() -> None:
    with tarfile.open(package.files()) as archive:
        entries = {entry.name: entry for entry in archive}
    files = [file for file in package.FILES.rglob("*") if file.is_file()]
    assert {file.relative_to(package.FILES).as_posix() for file in files} <= set(entries)
    assert "opt/digits/infra/postgres/app_role.sql" in entries
    for name, entry in entries.items():
        runs = entry.isdir() or name.startswith("etc/needrestart/restart.d/")
        mode = 0o700 if name == "opt/digits" else 0o755 if runs else 0o644
        assert entry.mode == mode, name
        assert (entry.uid, entry.gid) == (0, 0)


def test_a_clone_of_another_time_and_umask_gives_the_same_bytes() -> None:
    file = package.FILES / "etc/nginx/digits-http.conf"
    before, was = package.files().read_bytes(), file.stat()
    try:
        os.utime(file, (1, 1))
        file.chmod(0o600)
        assert package.files().read_bytes() == before
    finally:
        os.utime(file, (was.st_atime, was.st_mtime))
        file.chmod(was.st_mode & 0o777)
