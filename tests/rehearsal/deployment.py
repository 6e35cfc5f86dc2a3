"""A rehearsed deployment, as the tests use it."""

from __future__ import annotations

import json
import os
import re
import shlex
import ssl
import subprocess
import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehearsal import places

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".rehearsal"

# In place of the app: a server that says yes to everything.
YES = """\
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Yes(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"yes\\n")

ThreadingHTTPServer(("0.0.0.0", 8501), Yes).serve_forever()
"""
LIGHT = f"""\
USER root
RUN echo {b64encode(YES.encode()).decode()} | base64 -d >serve.py && echo >digits/selftest.py
USER 10001"""


# Where Python's TLS and requests look for the authorities to trust, and what was there before us.
TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_TRUSTED = {name: os.environ[name] for name in TRUST if name in os.environ}


def clean_environment() -> dict[str, str]:
    """The environment with neither a real account's settings nor those of a make around us."""
    others = ("ACME", "DIGITALOCEAN_", "TF_VAR_", "MAKE", "MFLAGS", *TRUST)
    return {k: v for k, v in os.environ.items() if not k.startswith(others)} | _TRUSTED


def trust_the_authority(folder: Path) -> None:
    """Let this process's own requests trust the rehearsal's certificate authority.

    What the tests start does not: it has to be told by the rehearsal's settings.
    """
    known = _TRUSTED.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    bundle = folder / "authorities.pem"
    texts = [Path(known).read_text()] if known else []
    bundle.write_text("\n".join([*texts, (STATE / "authority.pem").read_text()]))
    os.environ.update(dict.fromkeys(TRUST, str(bundle)))


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project; its two outputs come back as one."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    return done


def begin(*command: str, **env: str) -> subprocess.Popen[str]:
    """Begin a command in the project; its two outputs are one, and Ctrl-C ends its whole group."""
    return subprocess.Popen(
        # What is started in the background may ignore Ctrl-C, and so would all it starts.
        ("env", "--default-signal=INT", *command),
        cwd=ROOT,
        env=clean_environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], marker: str) -> list[str]:
    """The lines that it prints, up to the first with this marker."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if marker in line:
            return lines
    raise AssertionError("".join(lines))


def ended(process: subprocess.Popen[str], lines: list[str]) -> str:
    """All that it printed, once it has failed."""
    assert process.stdout is not None
    lines.extend(process.stdout)
    assert process.wait(120) != 0
    return "".join(lines)


def rehearsed(*command: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools itself, with nothing but the rehearsal's few settings."""
    script = (
        "settings=$(scripts/in rehearsal -m rehearsal env)"
        ' && eval "$settings" && PATH=$PWD/.venv/ops/bin:$PATH "$@"'
    )
    return run("bash", "-c", script, "bash", *command)


def url_in(output: str) -> str:
    """The page's address, from the box that `make deploy` ends with."""
    found = re.search(r"^\| +URL +(https?://[0-9.]+) +\|$", output, re.MULTILINE)
    assert found, f"no URL at the end of make deploy:\n{output[-3000:]}"
    return found[1]


def volumes(*more: str) -> set[str]:
    """The names of this machine's volumes; `more`: a filter of Docker's."""
    listed = subprocess.run(
        ("docker", "volume", "ls", "--quiet", *more), capture_output=True, text=True, check=True
    )
    return set(listed.stdout.split())


def _forgotten(before: set[str]) -> list[str]:
    """New volumes without a container that a rehearsal may have left, and no test beside it."""
    name = re.compile(rf"[0-9a-f]{{64}}|({places.PROJECT}|digits-registry).*")
    unused = volumes("--filter", "dangling=true")
    return [one for one in sorted(unused - before) if name.fullmatch(one)]


def leftovers(volumes_before: set[str]) -> dict[str, str]:
    """What a rehearsal has made, by kind, and this machine still has."""

    def ask(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    label = f"label={places.LABEL}"
    # This clone's alone: other tests have such an API of their own.
    processes = subprocess.run(
        ["pgrep", "--list-full", "--full", re.escape(f"{STATE}/")],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return {
        "containers": ask("docker", "ps", "--all", "--quiet", "--filter", label),
        "registry": ask("docker", "ps", "--all", "--quiet", "--filter", "name=digits-registry"),
        "networks": ask("docker", "network", "ls", "--quiet", "--filter", label),
        "volumes": " ".join(_forgotten(volumes_before)),
        "processes": processes.strip(),
        "state": str(STATE) if STATE.exists() else "",
    }


@dataclass(frozen=True)
class Deployment:
    """A finished `make deploy`: what it printed and where the page is."""

    output: str
    url: str

    @property
    def site_address(self) -> str:
        """The page's address, a reserved IP."""
        return urlsplit(self.url).hostname or ""

    @property
    def ip(self) -> str:
        """The droplet's own address: another one once it has been replaced."""
        state = json.loads((STATE / "terraform/terraform.tfstate").read_text())
        return str(state["outputs"]["droplet_ip"]["value"])

    def live(self) -> dict[str, Any]:
        """The release that is live on the droplet."""
        return self.releases()[-1]

    def releases(self) -> list[dict[str, Any]]:
        """The releases that were live on the droplet, the newest last."""
        found: list[dict[str, Any]] = json.loads(self.ssh("digits releases --json"))["releases"]
        return found

    def ssh(self, command: str, stdin: str | None = None) -> str:
        """Run a command on the droplet as root, which must succeed; return what it prints."""
        done = subprocess.run(
            [
                "ssh",
                "-i",
                str(STATE / "ssh_key"),
                "-o",
                f"UserKnownHostsFile={STATE / 'known_hosts'}",
                "-o",
                "StrictHostKeyChecking=yes",
                f"root@{self.ip}",
                command,
            ],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def variant(self, name: str, *, light: bool = False) -> str:
        """Make another version on the droplet, named digits:NAME; its image's id.

        A light one has no PyTorch to load: it starts at once, and passes the health check and the
        trial. It is for tests of which version serves, not of what visitors see.
        """
        # Each is made from one that is never released: Docker keeps what others are made from.
        base = "light" if light else "base"
        if self.ssh(f"docker image ls --quiet digits:{base}") == "":
            serves = self.live()["id"]
            self._build(base, f"FROM {serves}\n{LIGHT if light else 'ENV VARIANT=base'}\n")
        return self._build(name, f"FROM digits:{base}\nENV VARIANT={name}-{time.time()}\n")

    def _build(self, name: str, recipe: str) -> str:
        """Build an image on the droplet, named digits:NAME; its id."""
        build = f"docker build --quiet --tag digits:{name} - 2>/dev/null"
        return self.ssh(f"printf %s {shlex.quote(recipe)} | {build}").strip()

    def rows(self) -> list[tuple[datetime, int, int]]:
        """Every row of the prediction log, oldest first."""
        printed = self.ssh(
            "docker exec digits-db-1 psql --username digits --no-align --tuples-only"
            " --command \"SELECT to_char(predicted_at AT TIME ZONE 'UTC',"
            " 'YYYY-MM-DD HH24:MI:SS.US'), predicted_digit, true_label"
            ' FROM predictions ORDER BY predicted_at"'
        )
        rows = [line.split("|") for line in printed.splitlines() if line]
        return [
            (datetime.fromisoformat(at).replace(tzinfo=UTC), int(d), int(t)) for at, d, t in rows
        ]
