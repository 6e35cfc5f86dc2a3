"""A hostile visitor, and what the others notice of them: nothing."""

from __future__ import annotations

import ipaddress
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

import gate
from gate import PAGES
from tests import hostile
from tests.crowd import visiting
from tests.needs import ROOT, need_program
from tests.postgres import Database
from tests.served import served

MB = 1_000_000
GROWTH = 40 * MB  # what an attack may leave behind, and what it may take while it lasts
NO_PICTURE = "The drawing did not arrive whole. Clear the canvas and draw one digit."
EMPTY = "Draw one digit, 0 to 9, with your mouse or finger."


@dataclass(frozen=True)
class App:
    """A served app, its process, its database, and the file it writes to."""

    url: str
    process: psutil.Process
    database: Database
    log: Path


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("app")
    database = Database(folder / "data")
    with served(database.url, log=folder / "log") as running:
        with visiting(running.url) as crowd:  # what it takes for the first visitors, it keeps
            time.sleep(5)
            while not crowd.answers and not crowd.failed:  # a busy machine
                time.sleep(1)
        yield App(running.url, psutil.Process(running.pid), database, folder / "log")
    database.remove()


def harmless(app: App, attack: Callable[[str], object]) -> object:
    """Let it happen among ordinary visitors; return what the attacker saw."""
    app.database.query("TRUNCATE predictions")
    before, written = app.process.memory_info().rss, app.log.stat().st_size
    proc = Path(f"/proc/{app.process.pid}")
    (proc / "clear_refs").write_text("5")  # the peak is measured from now on
    with visiting(app.url) as crowd:
        seen = attack(app.url)
        time.sleep(1)
    assert crowd.failed == []
    assert crowd.answers > 0
    assert max(crowd.waits) < 5
    rows = app.database.query("SELECT count(*), count(DISTINCT predicted_at) FROM predictions")
    assert rows == [(crowd.answers, crowd.answers)]
    assert app.process.is_running()
    peak = re.search(r"VmHWM:\s+(\d+) kB", (proc / "status").read_text())
    assert peak
    assert int(peak[1]) * 1024 - before < GROWTH
    printed = app.log.read_bytes()[written:].decode()
    assert "Traceback" not in printed
    assert len(printed) < 10_000
    return seen


def test_pictures_that_are_not_the_canvas_s(app: App) -> None:
    printed = harmless(app, hostile.picture_bomb)
    assert isinstance(printed, dict)
    # What has too few or too many pixels for its size is black, as far as it goes.
    assert set(printed.values()) <= {NO_PICTURE, EMPTY}
    assert [name for name, hint in printed.items() if hint == EMPTY] == ["pixels that never end"]


def test_the_bombs_are_bombs() -> None:
    """Else the test above would hold for any app: small files of many pixels or long texts."""
    files = hostile.pictures()
    sizes = {"10,000 x 10,000 pixels": 100, "a palette, 20,000 x 20,000": 400}
    for name, millions in sizes.items():
        assert len(files[name]) < 110_000
        width, height = struct.unpack(">II", files[name][16:24])
        assert width * height == millions * 1_000_000
    assert len(files["60 texts of a megabyte"]) < 75_000


def test_values_of_every_wrong_kind(app: App) -> None:
    printed = harmless(app, hostile.garbage_states)
    assert isinstance(printed, list)
    assert set(printed) <= {EMPTY, NO_PICTURE}


def test_frames_that_are_no_messages(app: App) -> None:
    ends = harmless(app, hostile.broken_frames)
    assert ends == [EMPTY, EMPTY, "closed 1002", "closed 1002", "closed 1002"]


def test_a_message_of_200_megabytes_is_cut_off_at_its_start(app: App) -> None:
    seen = harmless(app, hostile.oversized_message)
    assert isinstance(seen, tuple)
    assert seen[0] in ("closed 1009", "cut off")
    assert seen[1] < 10 * MB  # the kernel's buffers


@pytest.mark.parametrize("attack", [hostile.many_pieces, hostile.pings])
def test_frames_without_end_are_cut_off(app: App, attack: Callable[[str], int]) -> None:
    started = time.monotonic()
    harmless(app, attack)
    assert time.monotonic() - started < 4  # it would go on for five


def test_a_page_that_asks_too_fast_is_cut_off(app: App) -> None:
    seen = harmless(app, hostile.reruns)
    assert isinstance(seen, tuple)
    assert seen[1] == 10


def test_pages_that_ask_as_fast_as_they_may_are_slow_and_no_more(app: App) -> None:
    threads = []
    over = Event()

    def watch() -> None:
        while not over.wait(0.05):
            threads.append(app.process.num_threads())

    watcher = Thread(target=watch)
    watcher.start()
    seen = harmless(app, lambda url: hostile.reruns(url, pause=0.05))
    over.set()
    watcher.join()
    assert isinstance(seen, tuple)
    assert seen[0] > 100
    assert max(threads) < 30  # ten attackers, four visitors, the server's own


def test_visitors_who_come_and_go(app: App) -> None:
    opened = harmless(app, lambda url: hostile.comers_and_goers(url, 2_000))
    assert opened == 2_000


def test_other_sites_pages_are_refused_at_once(app: App) -> None:
    seen = harmless(app, lambda url: hostile.foreign_pages(url, 60))
    assert isinstance(seen, list)
    assert {status for status, _ in seen} == {403}
    assert max(seconds for _, seconds in seen) < 2


def test_other_names_are_refused(app: App) -> None:
    seen = harmless(app, hostile.foreign_names)
    assert isinstance(seen, dict)
    assert set(seen.values()) == {(421, 403)}


def test_its_own_addresses_are_not(app: App) -> None:
    port = app.url.rsplit(":", 1)[1]
    for host in (f"localhost:{port}", "localhost", "203.0.113.7", f"[::1]:{port}", "[2001:db8::1]"):
        assert hostile.answer(app.url, "GET", "/", {"Host": host}) == 200
        # nginx hands the name on without its port.
        name = host.rpartition(":")[0] if host.endswith(port) else host
        for origin in (f"http://{host}", f"http://{name}:8080", f"https://{name}"):
            assert hostile.handshake(app.url, {"Host": host, "Origin": origin}) == 101


def test_its_domain_is_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "digits.example.org"
    assert not gate._is_own_name(name)  # noqa: SLF001
    monkeypatch.setattr(gate, "DOMAIN", name)
    assert gate._is_own_name(name)  # noqa: SLF001
    for other in ("", None, "example.org", f"{name}.evil.example"):
        assert not gate._is_own_name(other)  # noqa: SLF001


def test_a_codespaces_name_is_its_own_there_and_nowhere_else(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "fluffy-disco-abc123-8501.app.github.dev"
    browser = {"Host": "localhost", "Origin": f"https://{name}"}
    assert hostile.handshake(app.url, browser) == 403
    assert not gate._is_own_name(name)  # noqa: SLF001
    monkeypatch.setenv("CODESPACE_NAME", "fluffy-disco-abc123")
    monkeypatch.setenv("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "app.github.dev")
    with served(app.database.url) as development:
        for host in ("localhost", name):
            seen = hostile.handshake(development.url, browser | {"Host": host})
            assert seen == 101
            assert hostile.answer(development.url, "GET", "/", {"Host": host}) == 200
        for other in (
            "fluffy-disco-abc123-8501.app.github.dev.evil.example",
            "another-codespace-8501.app.github.dev",
            "app.github.dev",
        ):
            foreign = {"Host": "localhost", "Origin": f"https://{other}"}
            assert hostile.handshake(development.url, foreign) == 403
            assert hostile.answer(development.url, "GET", "/", {"Host": other}) == 421


def test_a_widget_that_the_gate_does_not_know_is_written_down_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gate, "_unknown", set())
    back = BackMsg()
    for name in ("thickness", "thickness", "evil\nname", *(f"made-up{n}" for n in range(99))):
        identity = f"$$ID-{'0' * 32}-{name}"
        back.rerun_script.widget_states.widgets.add(id=identity, double_value=1)
    with caplog.at_level("WARNING"):
        for start in range(0, len(back.rerun_script.widget_states.widgets), gate.WIDGETS):
            some = BackMsg()
            widgets = back.rerun_script.widget_states.widgets[start : start + gate.WIDGETS]
            some.rerun_script.widget_states.widgets.extend(widgets)
            assert b"thickness" not in gate.cleaned(some.SerializeToString())
    assert caplog.text.count("'thickness'") == 1
    assert "app/gate.py" in caplog.text
    assert "evil" not in caplog.text
    assert len(caplog.records) == gate.NAMES


def test_what_the_page_does_not_need_is_shut(app: App) -> None:
    seen = harmless(app, hostile.unused_endpoints)
    assert isinstance(seen, dict)
    assert set(seen.values()) == {404}


def asks(page: socket.socket) -> None:
    """Ask for the page as a browser does, and wait for the start of it."""
    page.sendall(hostile.frame(b"\x82", hostile.RERUN))
    assert page.recv(1)


def is_closed(page: socket.socket) -> bool:
    """Whether the last that it was sent is that it is closed: policy violation."""
    page.settimeout(0.1)
    received = b""
    with suppress(OSError):
        while more := page.recv(65_536):
            received += more
    return received.endswith(b"\x88\x02" + (1008).to_bytes(2))


@pytest.fixture
def full(app: App) -> Iterator[list[list[socket.socket]]]:
    """Pages of four addresses that have asked once, and take all the places."""
    with ExitStack() as pages:
        opened: list[list[socket.socket]] = [[], [], [], []]
        for address in range(4):
            for _ in range(PAGES // 4):
                page = pages.enter_context(hostile.raw_page(app.url, f"203.0.113.{address}"))
                asks(page)
                opened[address].append(page)
        yield opened
    time.sleep(1)


def test_pages_of_four_addresses_lock_nobody_out(app: App, full: list[list[socket.socket]]) -> None:
    # One of them asks again, so it is not the idlest, though it was the first.
    asks(full[0][0])
    with visiting(app.url, 10) as crowd:
        time.sleep(5)
    assert crowd.failed == []
    assert crowd.answers > 10
    # Each of the ten took one place, of the addresses in turn.
    left = [[is_closed(page) for page in pages[:5]] for pages in full]
    assert sum(map(sum, left)) == 10
    assert not left[0][0]
    assert all(2 <= sum(closed) <= 3 for closed in left)
    harmless(app, lambda url: hostile.answer(url, "GET", "/"))


def test_an_address_with_the_most_pages_gets_no_other(
    app: App, full: list[list[socket.socket]]
) -> None:
    del full
    with (
        pytest.raises(ConnectionError, match="403"),
        hostile.raw_page(app.url, "203.0.113.1"),
    ):
        pass
    with hostile.raw_page(app.url, "203.0.113.200"):
        pass


def test_ipv6_addresses_of_one_network_are_one() -> None:
    def address(text: str) -> str:
        headers = [(b"x-forwarded-for", text.encode())]
        return gate._address({"type": "websocket", "headers": headers, "client": None})  # noqa: SLF001

    assert address("2001:db8::1") == address("2001:db8::ffff:0:0:1")
    assert address("2001:db8::1") != address("2001:db8:0:1::1")
    assert address("203.0.113.7") == "203.0.113.7"
    assert gate._address({"headers": [], "client": ("192.0.2.1", 7)}) == "192.0.2.1"  # noqa: SLF001


def test_a_page_that_asks_for_nothing_is_closed(app: App) -> None:
    """One that answers pings, or sends what is no question, too."""
    with ExitStack() as pages:
        silent, pongs, other, asked = (
            pages.enter_context(hostile.raw_page(app.url)) for _ in range(4)
        )
        asks(asked)
        ends = time.monotonic() + gate.FIRST_MESSAGE_SECONDS + 2
        while time.monotonic() < ends:
            with suppress(OSError):
                pongs.sendall(hostile.frame(b"\x8a", b""))
            with suppress(OSError):
                other.sendall(hostile.frame(b"\x82", BackMsg(stop_script=True).SerializeToString()))
            time.sleep(1)
        assert [is_closed(page) for page in (silent, pongs, other)] == [True] * 3
        assert not is_closed(asked)


CALL = re.compile(
    r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")'
)


def test_it_never_calls_anybody(tmp_path: Path) -> None:
    """Every connection and every datagram of the process and its threads, from its start on."""
    need_program("strace")
    calls, log = tmp_path / "calls", tmp_path / "log"
    strace = ("strace", "-f", "-o", str(calls), "-e", "trace=connect,sendto,sendmsg,sendmmsg")
    database = Database(tmp_path / "data")
    with served(database.url, log=log, command=(*strace, sys.executable, "serve.py")) as app:
        with visiting(app.url, visitors=2) as crowd:
            statuses = {status for status, _ in hostile.foreign_pages(app.url, 20)}
            hostile.foreign_names(app.url)
            time.sleep(3)
            while not crowd.answers and not crowd.failed:  # a busy machine
                time.sleep(1)
        for process in psutil.Process(app.pid).children():  # strace itself would not hand it on
            process.terminate()
            process.wait(60)
    database.remove()
    assert statuses == {403}
    assert crowd.answers
    assert crowd.failed == []
    traced = calls.read_text()
    assert "connect(" in traced, "strace saw nothing, not even the database"
    outside = [
        line
        for line in traced.splitlines()
        if (found := CALL.search(line))
        and not ipaddress.ip_address(found[2] or found[3]).is_loopback
    ]
    assert outside == []
    assert log.read_text().splitlines() == [
        f"Serving the page at 127.0.0.1, port {app.url.rsplit(':', 1)[1]}."
    ]


# Serves the page; at SIGUSR1 whoever asks for the network waits for ever.
HANGS = """
import runpy, signal, threading
from digits import recogniser
signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(
    target=recogniser._loading.acquire, daemon=True).start())
runpy.run_path("serve.py", run_name="__main__")
"""


def test_the_containers_health_check_sees_a_hang(tmp_path: Path) -> None:
    text = (ROOT / "app" / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.search(r"HEALTHCHECK (.*) CMD (\[.*\])", text)
    assert found
    options = dict(re.findall(r"--(\S+)=(\d+)", found[1]))
    seconds = (int(options["interval"]) + int(options["timeout"])) * int(options["retries"])
    assert seconds <= 30, "a minute has to do for a restart too"

    database = Database(tmp_path / "data")
    with served(database.url, command=(sys.executable, "-c", HANGS)) as app:
        port = app.url.rsplit(":", 1)[1]
        check = [sys.executable, *json.loads(found[2].replace("8501", port))[1:]]

        def healthy() -> bool:
            result = subprocess.run(check, capture_output=True, timeout=20, check=False)
            return result.returncode == 0

        process = psutil.Process(app.pid)
        assert healthy()
        process.send_signal(signal.SIGSTOP)
        assert not healthy()
        process.send_signal(signal.SIGCONT)
        assert healthy()
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.5)
        assert hostile.answer(app.url, "GET", "/_stcore/health") == 200
        assert not healthy()
        process.kill()
    database.remove()
