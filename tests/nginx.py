"""nginx on this machine, as the role configures it on a droplet."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jinja2
import yaml

from tests.needs import ROOT, need_program

WEB = ROOT / "infra/ansible/roles/web"
FILES = ROOT / "infra/ansible/files"


def rendered(name: str, **values: object) -> str:
    """One of the role's templates, as Ansible fills it in."""
    templates = jinja2.Environment(  # noqa: S701 - no HTML
        loader=jinja2.FileSystemLoader(WEB / "templates"), trim_blocks=True
    )
    defaults = yaml.safe_load((WEB / "defaults/main.yml").read_text())
    return templates.get_template(name).render(defaults | {"web_processes": "1"} | values)


@contextmanager
def nginx(folder: Path, app_port: int) -> Iterator[int]:
    """Before the app, and behind a balancer so that tests can name an address; its port."""
    need_program("nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (folder / "digits-app.conf").write_text(rendered("digits-app.conf.j2", web_balanced=True))
    for name in ("challenge", "http"):
        text = (FILES / f"etc/nginx/digits-{name}.conf").read_text().replace("@domain@", "")
        (folder / f"digits-{name}.conf").write_text(text)
    text = rendered("nginx.conf.j2", web_balanced=True)
    text = text.replace("digits-site.conf", "digits-http.conf")
    text = text.replace("real_ip_header ", "set_real_ip_from 127.0.0.1;\n    real_ip_header ")
    text = re.sub(r"^(user|include .*modules-enabled).*", "", text, flags=re.MULTILINE)
    text = text.replace("syslog:server=unix:/dev/log,nohostname", f"{folder}/log")
    # Debian's own folders for these belong to root, and are made when nginx first starts.
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = text.replace("http {\n", f"http {{\n{temporary}")
    (folder / "nginx.conf").write_text(text)
    (folder / "digits-upstream.conf").write_text(f"server 127.0.0.1:{app_port};")
    for file in folder.glob("*.conf"):
        text = re.sub(r"/etc/nginx/(?=digits)", f"{folder}/", file.read_text())
        text = text.replace("/run/nginx.pid", f"{folder}/pid")
        text = text.replace("/var/www/html", f'"{FILES}/var/www/html"')  # it may have a space
        text = re.sub(r"listen (\[::\]:)?80\b", rf"listen \g<1>{port}", text)
        text = text.replace(f"listen [::]:{port}", f"listen [::1]:{port}")
        file.write_text(text.replace(f"listen {port}", f"listen 127.0.0.1:{port}"))
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    command += ["-e", str(folder / "errors"), "-g", "daemon off;"]
    with subprocess.Popen(command) as server:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        try:
            yield port
        finally:
            server.terminate()
