"""Which of nginx's workers take connections and which drain: asked of a real one."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from droplet.clock import Clock
from droplet.disk import Disk
from droplet.nginx import Nginx
from droplet.systemd import Systemd
from tests.nginx import nginx as running


def test_a_worker_with_an_open_request_drains_after_a_reload(tmp_path: Path) -> None:
    nginx = Nginx(Disk(tmp_path), Systemd(), Clock())
    with running(tmp_path, app_port=1) as port:
        master = int((tmp_path / "pid").read_text())
        # Others on this machine are not the test's.
        children = Path(f"/proc/{master}/task/{master}/children").read_text()
        before = {*map(int, children.split())} & {*nginx.workers()}
        assert before
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            visitor.send(b"GET / HTTP/1.1\r\nHost: ")
            time.sleep(0.2)
            os.kill(master, signal.SIGHUP)
            assert nginx.has_taken_over(tuple(before))
            assert not before & {*nginx.workers()}
            assert before & {*nginx.draining()}
        until = time.monotonic() + 10
        while before & {*nginx.draining()} and time.monotonic() < until:
            time.sleep(0.05)
        assert not before & {*nginx.draining()}
