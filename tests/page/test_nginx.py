"""What nginx answers by itself, as the role configures it."""

from __future__ import annotations

import socket
from pathlib import Path

import requests

from tests.nginx import nginx


def test_while_the_app_is_down_there_is_a_page_that_says_so(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        with nginx(tmp_path, nobody.getsockname()[1]) as port:
            answer = requests.get(f"http://127.0.0.1:{port}", timeout=30)
    assert answer.status_code == 502
    assert "Back in a moment" in answer.text
