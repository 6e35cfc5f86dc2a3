"""make run: starts the database and the page, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from ops.console.settings import LocalSettings
from ops.database import embedded
from tests.needs import ROOT
from tests.postgres import Database

# As make run does; the tests' own environment has the same packages.
COMMAND = [sys.executable, "-m", "ops", "run"]
PATIENCE = 120
FIND_RUNTIME_FOLDER = """\
import os, platformdirs
from ops.database.embedded import own_runtime_folder
own_runtime_folder()
print(platformdirs.user_runtime_path("x"))
print(oct(os.stat(os.environ["XDG_RUNTIME_DIR"]).st_mode))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path, **settings: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return mine | {"RUN_DATA": str(folder / "pg")} | settings


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the app, wait for the line that says it is ready, and stop it at the end."""
    port = free_port()
    app = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=environment(folder, PORT=str(port), **settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert app.stdout is not None
    try:
        line = app.stdout.readline()
        if "without spaces" in line:  # said before it starts
            line = app.stdout.readline()
        assert f"http://localhost:{port} " in line, line
        yield app, port
    finally:
        if app.poll() is None:
            app.send_signal(signal.SIGINT)
        app.wait(PATIENCE)


def mentioning(folder: Path) -> list[str]:
    """Return the command lines of processes that mention the folder."""
    lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_page_and_stops_without_a_trace(tmp_path: Path, stop: int) -> None:
    with running(tmp_path) as (app, port):
        page = urllib.request.urlopen(f"http://localhost:{port}", timeout=30).read()
        assert b"<title>" in page
        family = [psutil.Process(app.pid), *psutil.Process(app.pid).children(recursive=True)]
        assert mentioning(tmp_path)
        app.send_signal(stop)
        assert app.wait(PATIENCE) == 0
    assert not [process for process in family if process.is_running()]
    assert not mentioning(tmp_path)


def test_users_of_one_machine_do_not_meet(tmp_path: Path) -> None:
    # A short path: a socket's has at most 107 characters.
    with (
        TemporaryDirectory() as shared,
        running(tmp_path, TMPDIR=shared, XDG_RUNTIME_DIR=""),
    ):
        mine = Path(shared) / f"digits-{os.getuid()}"
        assert mine.stat().st_mode & 0o077 == 0
        assert not (Path(shared) / ".lockfile").exists()


@pytest.mark.parametrize("found", ["open to all", "a link", "given, and open to all"])
def test_a_runtime_folder_that_is_there_already(tmp_path: Path, found: str) -> None:
    """Another program, another umask or another user may have made it."""
    mine = tmp_path / f"digits-{os.getuid()}"
    given = tmp_path / "given"
    if found == "a link":
        mine.symlink_to(tmp_path)
    else:
        (given if "given" in found else mine).mkdir()
        (given if "given" in found else mine).chmod(0o777)
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c"),
            FIND_RUNTIME_FOLDER,
        ],
        cwd=ROOT,
        env=environment(
            tmp_path,
            TMPDIR=str(tmp_path),
            XDG_RUNTIME_DIR=str(given) if "given" in found else "",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    used, mode = done.stdout.splitlines()
    assert mode == "0o40700"
    assert Path(used).parent.parent == tmp_path
    assert (Path(used).parent == mine) == (found != "a link")


def without_chmod(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the folder be on a file system like a Windows drive's: everybody may do everything."""
    own = Path.stat

    def stat(path: Path, **words: bool) -> os.stat_result:
        mode, *others = own(path, **words)
        if path.is_relative_to(folder):
            mode = int(mode) | 0o777
        return os.stat_result([mode, *others])

    monkeypatch.setattr(Path, "stat", stat)


def test_data_on_a_windows_drive_are_kept_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    drive = tmp_path / "mnt/c"
    assert embedded.data_folder(LocalSettings(run_data=str(drive / "pg"))) == drive / "pg"
    without_chmod(monkeypatch, drive)
    data = embedded.data_folder(LocalSettings(run_data=str(drive / "pg")))
    assert data == tmp_path / "home/.local/share/digits/postgres"
    assert "which a Windows drive lacks" in capsys.readouterr().out
    assert list(drive.iterdir()) == []


@pytest.mark.parametrize(
    ("ends", "printed"),
    [
        ("raise RuntimeError('no weights')", "did not start (exit status 1); its message is above"),
        ("os.kill(os.getpid(), signal.SIGILL)", "this processor lacks an instruction"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "mostly because the memory is full"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the signal SIGSEGV ended it"),
    ],
)
def test_a_page_that_does_not_start_says_why(tmp_path: Path, ends: str, printed: str) -> None:
    """What it prints is shown, to whichever end it prints it; what ended it is named."""
    clone = tmp_path / "clone"
    (clone / "app").mkdir(parents=True)
    shutil.copytree(ROOT / "ops", clone / "ops")
    page = f"import os, signal\nprint('a word of the page', flush=True)\n{ends}\n"
    (clone / "app/serve.py").write_text(page)
    done = subprocess.run(
        COMMAND,
        cwd=clone,
        env=environment(tmp_path, PORT=str(free_port())),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert printed in done.stderr
    assert "a word of the page" in done.stderr
    assert ("RuntimeError: no weights" in done.stderr) == ("RuntimeError" in ends)
    assert "its message is above" not in done.stderr or "RuntimeError" in ends


def test_a_path_with_a_space_and_a_company_s_proxy(tmp_path: Path) -> None:
    """The proxy is not asked for this machine."""
    spaced = tmp_path / "my projects"
    nobody = f"http://127.0.0.1:{free_port()}"
    proxy = {"HTTP_PROXY": nobody, "http_proxy": nobody, "NO_PROXY": ""}
    with running(tmp_path, RUN_DATA=str(spaced / "pg"), HOME=str(tmp_path), **proxy) as (_, port):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"http://127.0.0.1:{port}", timeout=30).status == 200
    assert (tmp_path / ".local/share/digits/postgres/PG_VERSION").exists()
    assert not spaced.exists()


def test_the_data_is_still_there_next_time(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    first = Database(tmp_path / "pg")
    first.query("CREATE TABLE kept AS SELECT 7 AS digit")
    first.remove()
    with running(tmp_path):
        again = Database(tmp_path / "pg")
        assert again.query("SELECT digit FROM kept") == [(7,)]
        again.remove()


def refused(folder: Path, **settings: str) -> str:
    """Run it to its end; return what happened and the next step, a line each."""
    result = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    printed = result.stderr.strip()
    assert len(printed.splitlines()) == 2, printed
    return printed


def test_a_taken_port_is_refused_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        printed = refused(tmp_path, PORT=str(port))
    assert f"Port {port} is taken by another program" in printed
    assert "PORT=" in printed
    assert not (tmp_path / "pg").exists()


@pytest.mark.parametrize("port", ["abc", "0", "65536"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    assert "number from 1 to 65535" in refused(tmp_path, PORT=port)


def test_an_unreachable_database_is_refused_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/log"
    printed = refused(tmp_path, PORT=str(free_port()), DATABASE_URL=url)
    assert "127.0.0.1" in printed
    assert "DATABASE_URL" in printed
    assert "secret" not in printed


def test_an_address_that_is_none_is_refused_without_the_password(tmp_path: Path) -> None:
    printed = refused(tmp_path, PORT=str(free_port()), DATABASE_URL="me:secret")
    assert "postgresql://" in printed
    assert "secret" not in printed
