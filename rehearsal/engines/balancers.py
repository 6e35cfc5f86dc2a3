"""Load balancers as containers with haproxy, and its configuration for one of the API's."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from ops.console.errors import Failed
from ops.console.programs import output_of
from rehearsal.commands import output, wait_for
from rehearsal.droplet.containers import ENGINES, Containers
from rehearsal.offline import base_images

FOLDER = "/usr/local/etc/haproxy"
_CONFIGURATION = f"{FOLDER}/haproxy.cfg"
#: How each droplet was found before a new configuration, for haproxy to go on from.
_STATE = f"{FOLDER}/state"
# For rules of HTTPS a certificate; no authority stands behind it: nobody here resolves a name.
_SERVE = f"""
cd {FOLDER}
[ -e certificate.pem ] || {{
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 90 -subj /CN=balancer \
    -keyout key -out certificate
  cat key certificate >certificate.pem
}}
exec haproxy -W -db -f haproxy.cfg
"""
_TRIES = 10

# How a balancer of DigitalOcean's behaves, where its API has no words for it.
_HEAD = """\
# Written by the rehearsal's API for one of its load balancers.
global
    description {mark}
    log stdout format raw daemon notice
    stats socket {folder}/socket mode 600 level admin
    server-state-file {folder}/state
    # A new configuration leaves open connections to the old process, for as long.
    hard-stop-after {idle}s

defaults
    mode http
    log global
    load-server-state-from-file global
    option dontlognull
    option forwardfor
    option redispatch
    retries 3
    timeout connect 5s
    timeout http-request 30s
    # Silence ends a connection, be it a request's or an open page's.
    timeout client {idle}s
    timeout server {idle}s
    timeout tunnel {idle}s
"""
_STATE_VERSION = "1\n"
# A server's line in that file: stopped until it is found well. Its numbers are haproxy's own codes.
_STOPPED = "1 {backend} 1 {name} {address} 0 0 1 1 0 8 2 0 6 0 0 0 - {port} - 0 0 - - 0\n"


class Balancers:
    """Makes, changes and removes them."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def balance(self, balancer: dict[str, Any], members: dict[str, str]) -> str:
        """Send visitors to these droplets; the address that visitors come to."""
        name = self._containers.name("balancer", balancer["id"])
        if not self._containers.exists(name):
            command = ("sh", "-euc", _SERVE)
            self._containers.create(name, base_images.ENGINES, ENGINES, command=command)
        runs = self._containers.running(name)
        text = configuration(balancer, members)
        known = _ask(name, "show servers state") if runs else ""
        files = {_CONFIGURATION: text, _STATE: state(balancer, members, known)}
        self._containers.put(name, files, mode=0o644)
        if runs:
            output("docker", "exec", name, "haproxy", "-c", "-q", "-f", _CONFIGURATION)
            _take_over(name, text)
        else:
            output("docker", "start", name)
        return self._containers.label_of(name)

    def unbalance(self, balancer_id: str) -> None:
        """Remove it; nothing happens if there is none."""
        self._containers.remove(self._containers.name("balancer", balancer_id))


def _take_over(name: str, text: str) -> None:
    """Let it take over the ports from itself; open connections stay with the old process."""
    for _ in range(_TRIES):
        # One that comes while it is still busy with the one before is lost.
        output("docker", "kill", "--signal", "USR2", name)
        if wait_for(lambda: runs_on(_ask(name, "show info"), text), 2):
            return
    raise Failed(f"the balancer {name} does not take its new configuration")


def _ask(name: str, what: str) -> str:
    """What haproxy answers; nothing, if it does not."""
    ask = f"echo {what} | socat - UNIX:{FOLDER}/socket"
    return output_of("docker", "exec", name, "sh", "-c", ask) or ""


def configuration(balancer: dict[str, Any], members: dict[str, str], folder: str = FOLDER) -> str:
    """The whole file: a frontend and a backend for each rule of the API's object."""
    text = "".join(
        _frontend(balancer, rule, folder) + _backend(balancer, rule, members)
        for rule in balancer["forwarding_rules"]
    )
    idle = balancer["http_idle_timeout_seconds"]
    mark = hashlib.sha256(f"{idle} {text}".encode()).hexdigest()[:16]
    return _HEAD.format(mark=mark, idle=idle, folder=folder) + text


def runs_on(info: str, configuration: str) -> bool:
    """Whether this is what haproxy runs on, which says "show info" of itself."""
    marks = [
        re.search(r"description:? (\w+)", text, re.IGNORECASE) for text in (info, configuration)
    ]
    return bool(marks[0] and marks[1] and marks[0][1] == marks[1][1])


def state(balancer: dict[str, Any], members: dict[str, str], before: str) -> str:
    """What is known of the droplets, given what haproxy knew before.

    haproxy holds a server of which it knows nothing for well; a balancer of DigitalOcean's sends
    nobody to a droplet that has not been found well yet.
    """
    lines = {tuple(line.split()[1:5:2]): line for line in before.splitlines()}
    text = _STATE_VERSION
    for rule in balancer["forwarding_rules"]:
        backend, port = _named(rule), rule["target_port"]
        for name, address in sorted(members.items()):
            line = lines.get((backend, name), "")
            # Under a name that is taken again there may be another droplet.
            if address in line.split():
                text += f"{line}\n"
            else:
                text += _STOPPED.format(backend=backend, name=name, address=address, port=port)
    return text


def _named(rule: dict[str, Any]) -> str:
    return f"to-{rule['entry_port']}"


def _frontend(balancer: dict[str, Any], rule: dict[str, Any], folder: str) -> str:
    port, protocol = rule["entry_port"], rule["entry_protocol"]
    secure = f" ssl crt {folder}/certificate.pem" if protocol == "https" else ""
    lines = [
        f"bind :{port}{secure}",
        f"http-request set-header X-Forwarded-Proto {protocol}",
        f"http-request set-header X-Forwarded-Port {port}",
    ]
    if balancer["redirect_http_to_https"] and protocol == "http":
        lines.append("http-request redirect scheme https code 307")
    return _section(f"frontend {protocol}-{port}", [*lines, f"default_backend {_named(rule)}"])


def _backend(balancer: dict[str, Any], rule: dict[str, Any], members: dict[str, str]) -> str:
    sticky, health = balancer["sticky_sessions"], balancer["health_check"]
    lines = ["balance roundrobin"]
    if sticky["type"] == "cookies":
        # The balancer's own: droplets never see it.
        lines.append(
            f"cookie {sticky['cookie_name']} insert indirect nocache httponly "
            f"maxlife {sticky['cookie_ttl_seconds']}s"
        )
    if health["protocol"] == "http":
        # No Host: a droplet must not need one to say that it is well.
        lines += ["option httpchk", f"http-check send meth GET uri {health['path']} ver HTTP/1.0"]
    every, down, up = (
        health[name]
        for name in ("check_interval_seconds", "unhealthy_threshold", "healthy_threshold")
    )
    checked = f"check port {health['port']} inter {every}s fall {down} rise {up}"
    lines += [f"timeout check {health['response_timeout_seconds']}s", f"default-server {checked}"]
    lines += [
        f"server {name} {address}:{rule['target_port']} cookie {_mark(balancer, name)}"
        for name, address in sorted(members.items())
    ]
    return _section(f"backend {_named(rule)}", lines)


def _mark(balancer: dict[str, Any], name: str) -> str:
    """What the cookie holds: the same for as long as there is this droplet, and no name."""
    return hashlib.sha256(f"{balancer['id']} {name}".encode()).hexdigest()[:16]


def _section(title: str, lines: list[str]) -> str:
    return "".join([f"\n{title}\n", *(f"    {line}\n" for line in lines)])
