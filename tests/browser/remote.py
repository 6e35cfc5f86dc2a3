"""Firefox and WebKit, driven as far as the tests need: their makers' own builds, from Debian.

Playwright drives Chromium; of these two it knows only builds of its own. Both understand the
commands of WebDriver: Firefox by its Marionette (a socket), WebKit by WebKitWebDriver (HTTP).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import requests

from tests.needs import need

PATIENCE = 60  # seconds


class Remote(Protocol):
    """A browser with one window."""

    def command(self, name: str, **parameters: object) -> Any:
        """Send a command of WebDriver's and return its value."""


class Firefox:
    """By Marionette: LENGTH:[0, number, name, parameters], and LENGTH:[1, number, error, value]."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")
        self._read()  # who is there
        self.command("NewSession")

    def command(self, name: str, **parameters: object) -> Any:
        """Send a command of WebDriver's and return its value."""
        text = json.dumps([0, 1, f"WebDriver:{name}", parameters]).encode()
        self._stream.write(b"%d:%b" % (len(text), text))
        self._stream.flush()
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{name}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def _read(self) -> Any:
        length = b""
        while (byte := self._stream.read(1)) != b":":
            length += byte
        return json.loads(self._stream.read(int(length)))


class WebKit:
    """By WebKitWebDriver."""

    PATHS = {  # noqa: RUF012
        "Navigate": "url",
        "ExecuteScript": "execute/sync",
        "PerformActions": "actions",
        "SetWindowRect": "window/rect",
    }

    def __init__(self, url: str, program: str) -> None:
        options = {"binary": program, "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        answer = requests.post(f"{url}/session", json=wanted, timeout=PATIENCE).json()["value"]
        self._session = f"{url}/session/{answer['sessionId']}"

    def command(self, name: str, **parameters: object) -> Any:
        """Send a command of WebDriver's and return its value."""
        address = f"{self._session}/{self.PATHS[name]}"
        answer = requests.post(address, json=parameters, timeout=PATIENCE)
        if not answer.ok:
            raise RuntimeError(f"{name}: {answer.text}")
        return answer.json()["value"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _connected(port: int) -> socket.socket:
    """Wait until something listens at the port, and connect."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens at {port}")
        time.sleep(0.1)


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def firefox(folder: Path) -> Iterator[Remote]:
    """This machine's Firefox, with a new profile in the folder."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    need(program, "Firefox", "sudo apt-get install firefox-esr")
    port = _free_port()
    (folder / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    command = [str(program), "--headless", "--marionette", "--no-remote", "--profile", str(folder)]
    with ExitStack() as stack:
        home = os.environ | {"HOME": str(folder)}
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(command, env=home, stdout=nowhere, stderr=nowhere)
        stack.callback(_ended, process)
        yield Firefox(stack.enter_context(_connected(port)))


@contextmanager
def webkit(folder: Path) -> Iterator[Remote]:
    """This machine's WebKit, on a display of its own."""
    # Debian's folder has the name of the processor.
    programs = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    program = str(programs[-1]) if programs else ""
    what = "sudo apt-get install webkit2gtk-driver xvfb"
    need(program and shutil.which("WebKitWebDriver") and shutil.which("Xvfb"), "WebKit", what)
    port = _free_port()
    with ExitStack() as stack:
        read, write = os.pipe()
        display = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24"]
        screen = subprocess.Popen(display, pass_fds=[write], stderr=subprocess.DEVNULL)
        stack.callback(_ended, screen)
        os.close(write)
        with os.fdopen(read) as number:
            shown = f":{number.readline().strip()}"
        settings = {"DISPLAY": shown, "HOME": str(folder)}
        driver = ["WebKitWebDriver", f"--port={port}", "--host=127.0.0.1"]
        process = subprocess.Popen(driver, env=os.environ | settings, stderr=subprocess.DEVNULL)
        stack.callback(_ended, process)
        _connected(port).close()
        yield WebKit(f"http://127.0.0.1:{port}", program)
