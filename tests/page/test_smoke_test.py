"""make look: each way in which the page does not answer has its own cause and its own next step."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ops.console.errors import Failed
from ops.console.settings import SiteSettings
from ops.page import site
from ops.page import smoke_test as the_page
from tests import web

Look = Callable[[str], str]


@contextmanager
def page(status: int, text: str, health: str = "") -> Iterator[str]:
    """A server that answers everything with this, and its health with `health`; its address."""
    with web.serving(
        lambda path: (status, (health if "health" in path else text).encode())
    ) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Look:
    monkeypatch.setattr(the_page, "SECONDS", 0)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setenv("VERB_SUFFIX", " TARGET=rehearsal")

    def printed(url: str) -> str:
        with pytest.raises(Failed) as caught:
            the_page.look(SiteSettings(), url)
        assert caught.value.what.startswith(f"{url} does not show the app: ")
        return "\n".join(caught.value.lines())

    return printed


@pytest.mark.parametrize(
    ("status", "text", "cause", "fix"),
    [
        (502, "", "nginx answers, and the app behind it does not (502", "make status TARGET=r"),
        (503, "soon", "the app behind it does not (503", "make logs TARGET=rehearsal"),
        (504, "", "the app behind it does not (504", "make logs TARGET=rehearsal"),
        (429, "", "too many requests from your address (429", "Wait a minute"),
        (404, "", "not as the app does (404", "make doctor TARGET=rehearsal"),
        (200, "It works!", "another page than the app's", "make url TARGET=rehearsal"),
        (200, "Streamlit", "another page than the app's", "make url TARGET=rehearsal"),
    ],
)
def test_something_answers(looked: Look, status: int, text: str, cause: str, fix: str) -> None:
    with page(status, text) as url:
        printed = looked(url)
    assert cause in printed
    assert fix in printed


def test_nothing_listens(looked: Look) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        printed = looked(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "nothing listens on the port: nginx does not run" in printed
    assert "make ssh TARGET=rehearsal" in printed


def test_no_answer_comes(looked: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        printed = looked(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert "the droplet is off, or a firewall" in printed
    assert "make doctor TARGET=rehearsal" in printed


def test_no_such_name(looked: Look) -> None:
    printed = looked("http://digits.invalid")
    assert "there is no such name" in printed
    assert "A new name is known everywhere within half an hour" in printed
    assert "make look TARGET=rehearsal" in printed


def test_the_connection_is_cut(looked: Look) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        printed = looked(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert "the connection fails (" in printed


def test_the_app_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with page(200, "<title>Streamlit", health="ok") as url:
        the_page.look(SiteSettings(), url)
    assert "the app behind it is healthy" in capsys.readouterr().out
    with pytest.raises(Failed, match="Not an address of a page"):
        the_page.look(SiteSettings(), "file:///etc/passwd")
