"""ssh to the droplet, with Debian 13's own sshd in a container: one policy for all who use it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.console.settings import SshSettings
from ops.ssh.errors import explain
from tests.doctor.test_doctor import droplet
from tests.needs import need_docker
from tests.project import PYTHON, ROOT, Api, Project

IMAGE = "digits-rehearsal-droplet:debian-13-x64"
START = """mkdir -p /run/sshd && ssh-keygen -qA
install -D -m 600 /dev/stdin /root/.ssh/authorized_keys
exec /usr/sbin/sshd -D -e -o PasswordAuthentication=no -o PerSourcePenalties=%s"""
SSH = shutil.which("ssh") or "ssh"


def docker(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def server(key: Path, penalties: str) -> Iterator[str]:
    """The address of a new sshd that lets this key in."""
    need_docker()
    have = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    if have.returncode != 0:
        provide = [sys.executable, "-m", "rehearsal.offline", "images"]
        subprocess.run(provide, cwd=ROOT, check=True)
    started = docker(
        *("create", "--interactive", "--label", "digits.test=sshd", "--entrypoint", "sh"),
        *(IMAGE, "-c", START % penalties),
    )
    try:
        with key.with_name(f"{key.name}.pub").open() as public:
            # The shell reads the key, then sshd takes its place.
            attached = subprocess.Popen(
                ["docker", "start", "--attach", "--interactive", started],
                stdin=public,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert attached.stderr
        for line in attached.stderr:
            if "listening on 0.0.0.0" in line:
                break
        yield docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", started)
    finally:
        docker("rm", "--force", "--volumes", started)
        attached.communicate()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("key") / "id"
    new_key(made)
    return made


def new_key(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)


@pytest.fixture(scope="module")
def sshd(key: Path, no_browser_beside: None) -> Iterator[str]:
    del no_browser_beside
    yield from server(key, "no")


@pytest.fixture
def near(project: Project, sshd: str, key: Path) -> Project:
    """The project with the machine's own ssh, and a droplet that answers."""
    (project.folder / "bin/ssh").unlink()
    project.settings |= {"DROPLET_IP": sshd, "ANSIBLE_PRIVATE_KEY_FILE": str(key)}
    return project


def pins(project: Project) -> Path:
    return Path(project.settings["SSH_KNOWN_HOSTS"])


def ansible(project: Project, api: Api, ip: str) -> subprocess.CompletedProcess[str]:
    """Ansible's answer from the droplet, with the inventory's options and the server's address."""
    elsewhere = droplet(api)
    printed = project.run(PYTHON, "infra/ansible/inventory.py", DROPLET_IP=None).stdout
    assert json.loads(printed)["_meta"]["hostvars"] == {"digits": {"ansible_host": elsewhere}}
    here = project.folder / "inventory"
    here.write_text(f"#!/bin/sh\ncat <<'END'\n{printed.replace(elsewhere, ip)}\nEND\n")
    here.chmod(0o755)
    return project.run(
        *(".venv/ops/bin/ansible", "droplet", "-i", here, "-m", "raw", "-a", "echo got $((1 + 1))"),
        ANSIBLE_CONFIG=str(project.folder / "infra/ansible/ansible.cfg"),
        ANSIBLE_SSH_CONTROL_PATH_DIR=str(project.folder / "c"),
        ANSIBLE_SSH_ARGS="",  # no connection that outlives the test
    )


def asked(project: Project, ip: str) -> subprocess.CompletedProcess[str]:
    """What a check of ours is answered."""
    return project.run(
        PYTHON, "-c",
        "import sys; from ops.console import terminal; from ops.console.errors import Failed\n"
        "from ops.console.settings import Settings; from ops.ssh.connection import Host\n"
        "try: print(Host(Settings.read().ssh, sys.argv[1]).ask('echo got $((1 + 1))'), end='')\n"
        "except Failed as error: sys.exit(terminal.failure(error) or 1)",
        ip,
    )  # fmt: skip


def everybody_gets_in(project: Project, api: Api, ip: str) -> None:
    done = project.verb("ssh", "echo got $((1 + 1))")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "got 2")
    done = asked(project, ip)
    assert (done.returncode, done.stdout) == (0, "got 2\n")
    done = ansible(project, api, ip)
    assert done.returncode == 0
    assert "got 2" in done.stdout


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """The socket of an ssh-agent with seven keys, none of which opens the droplet."""
    socket = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    while not Path(socket).exists():
        time.sleep(0.05)
    for number in range(7):
        new_key(tmp_path / f"other{number}")
        subprocess.run(
            ["ssh-add", "-q", tmp_path / f"other{number}"],
            env={**os.environ, "SSH_AUTH_SOCK": socket},
            check=True,
            stderr=subprocess.DEVNULL,
        )
    yield socket
    process.terminate()
    process.wait()


def test_an_agent_with_more_keys_than_a_server_listens_to(
    near: Project, api: Api, sshd: str, agent: str
) -> None:
    near.settings["SSH_AUTH_SOCK"] = agent
    everybody_gets_in(near, api, sshd)
    # Without a key that is named there is only the cause to tell.
    done = near.verb("ssh", "true", ANSIBLE_PRIVATE_KEY_FILE=None)
    assert done.returncode == 1
    assert "your ssh-agent holds too many others" in done.stdout
    assert "export ANSIBLE_PRIVATE_KEY_FILE=" in done.stdout


def test_a_path_with_spaces_and_more(
    near: Project, api: Api, sshd: str, key: Path, tmp_path: Path
) -> None:
    folder = tmp_path / 'with a space, 100%h and "quotes"'
    folder.mkdir()
    shutil.copy(key, folder / "my key")
    near.settings |= {
        "SSH_KNOWN_HOSTS": str(folder / "known_hosts"),
        "ANSIBLE_PRIVATE_KEY_FILE": str(folder / "my key"),
    }
    before = {path.name for path in tmp_path.iterdir()}
    done = ansible(near, api, sshd)
    assert "got 2" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["known_hosts", "my key"]
    pinned = pins(near).read_text()
    assert (
        sshd
        in subprocess.run(
            ["ssh-keygen", "-F", sshd, "-f", pins(near)], capture_output=True, text=True, check=True
        ).stdout
    )
    # All three look into that file: with another key in it, none of them talks to the machine.
    other = (ROOT / "infra/terraform/tests/fixtures/other_key.pub").read_text()
    pins(near).write_text(f"{sshd} {other}")
    for done in (
        near.verb("ssh", "true"),
        asked(near, sshd),
    ):
        assert done.returncode == 1
        assert f"shows another host key than the one pinned in {pins(near)}" in done.stdout
    pins(near).write_text(pinned)
    assert near.verb("ssh", "true").returncode == 0
    assert pins(near).read_text() == pinned
    assert {path.name for path in tmp_path.iterdir()} == before, "no key lies elsewhere"


def hangs_up_at_first(project: Project) -> Path:
    """An ssh whose next connection is closed before the key exchange; the rest are whole."""
    used = project.folder / "used"
    project.command(
        "ssh",
        f'[ -e "{used}" ] && exec {SSH} "$@"\n'
        f'touch "{used}"\nexec {SSH} -o ProxyCommand=false "$@"',
    )
    return used


def test_a_connection_that_is_cut_before_the_login_is_made_again(
    near: Project, api: Api, sshd: str, tmp_path: Path
) -> None:
    used = hangs_up_at_first(near)
    # With all that was to be sent, once.
    sent = tmp_path / "sent"
    sent.write_text("x" * 300_000)
    with sent.open() as stdin:
        near.stdin = stdin.fileno()
        done = near.verb("ssh", "tee -a /tmp/received | wc -c")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "300000"
    near.stdin = subprocess.DEVNULL
    assert near.verb("ssh", "wc -c </tmp/received").stdout.endswith("300000\n")
    used.unlink()
    assert asked(near, sshd).returncode == 0
    used.unlink()
    assert "got 2" in ansible(near, api, sshd).stdout

    near.command("ssh", f'exec {SSH} -o ProxyCommand=false "$@"')
    done = near.verb("ssh", "true")
    assert done.returncode == 1
    assert (
        f"The droplet at {sshd} does not accept your login: {sshd} hangs up before" in done.stdout
    )
    assert "make doctor TARGET=rehearsal" in done.stdout


@pytest.mark.parametrize(
    ("output", "passing"),
    [
        ("kex_exchange_identification: read: Connection reset by peer", True),
        ("banner exchange: Connection to UNKNOWN port 65535: Broken pipe", True),
        ("Connection closed by 203.0.113.7 port 22", True),
        ("ssh: connect to host 203.0.113.7 port 22: Connection refused", True),
        ("debug1: kex_exchange_identification: banner line 0: Not allowed at this time", False),
        ("Connection timed out during banner exchange", False),
        ("ssh: connect to host 203.0.113.7 port 22: Connection timed out", False),
        ("root@203.0.113.7: Permission denied (publickey).", False),
        ("Host key verification failed.", False),
    ],
)
def test_only_what_may_be_over_in_a_moment_is_tried_again(output: str, *, passing: bool) -> None:
    assert explain(SshSettings(), "203.0.113.7", output).passing is passing


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo no such thing >&2; exit 3", "with status 3: no such thing"),
        ("exit 1", "with status 1: it prints no reason"),
        ("printf 'Ren\\351\\n' >&2; exit 2", "with status 2: Ren\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_cause_of_a_failed_check_is_the_command_s_own(
    near: Project, sshd: str, command: str, reason: str
) -> None:
    """And not what ssh says at the end of how much it has sent."""
    ask = (
        "import sys; from ops.console.settings import Settings\n"
        "from ops.ssh.connection import Host, Unreachable\n"
        "try: Host(Settings.read().ssh, sys.argv[1]).ask(sys.argv[2])\n"
        "except Unreachable as error: print(error.what)\n"
    )
    reported = near.run(PYTHON, "-c", ask, sshd, command).stdout
    assert reported == f"{sshd} accepts your login, but a command fails there {reason}\n"


def test_a_connection_that_ends_without_a_word() -> None:
    output = (
        'OpenSSH_10.0p2 Debian-7\nAuthenticated to 203.0.113.7 using "publickey".'
        "\nTransferred: sent 2888, received 2884 bytes, in 0.1 seconds"
        "\nBytes per second: sent 32098.1, received 32054.2\n"
    )
    assert (
        explain(SshSettings(), "203.0.113.7", output).what
        == "ssh to 203.0.113.7 fails: it says nothing"
    )


def test_what_is_killed_on_the_droplet_is_no_lost_connection(near: Project) -> None:
    done = near.verb("ssh", "bash -c 'kill -9 $$'")
    assert done.returncode == 1
    assert "The command was killed on the droplet (signal 9)" in done.stdout
    assert "Killed" not in done.stdout, "a message of the shell around it"
    assert "make status TARGET=rehearsal" in done.stdout
    assert "connection" not in done.stdout
    done = near.verb("ssh", "kill -9 $PPID; sleep 5")
    assert done.returncode == 1
    assert "The ssh connection to the droplet at" in done.stdout
    assert "was lost" in done.stdout
    # What fails by itself says so itself.
    done = near.verb("ssh", "echo said; exit 4")
    assert (done.returncode, done.stdout) == (1, "said\n")


def test_ctrl_c_is_no_lost_connection(near: Project) -> None:
    process = subprocess.Popen(
        # What is started in the background may ignore Ctrl-C, and so would all it starts.
        ("env", "--default-signal=INT", PYTHON, "-m", "ops", "ssh", "echo begun; sleep 60"),
        cwd=near.folder,
        env=near.settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode != 0


def test_nobody_reads_the_ssh_config(near: Project, api: Api, sshd: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  ProxyCommand false\n")
    # ssh itself, as one whose own configuration is this file.
    near.command("ssh", f'[[ " $* " == *" -F "* ]] || set -- -F {config} "$@"\nexec {SSH} "$@"')
    assert near.verb("ssh", "echo got $((1 + 1))").stdout == "got 2\n"
    assert asked(near, sshd).stdout == "got 2\n"
    assert "got 2" in ansible(near, api, sshd).stdout


def test_everybody_takes_the_options_that_were_set(near: Project, api: Api, sshd: str) -> None:
    """Through another machine, say; a tunnel among them is opened once, not beside each check."""
    nowhere = "192.0.2.1"
    taken = "-o ExitOnForwardFailure=yes -R 127.0.0.1:22:127.0.0.1:5050"
    near.settings |= {"DROPLET_IP": nowhere, "SSH_OPTIONS": f"-o HostName={sshd}"}
    assert near.verb("ssh", "echo got $((1 + 1))").stdout == "got 2\n"
    near.settings["SSH_OPTIONS"] += f" {taken}"
    assert asked(near, nowhere).stdout == "got 2\n"
    assert "got 2" in ansible(near, api, nowhere).stdout


def test_the_port_of_the_tunnel_is_taken(near: Project) -> None:
    """As by another release from here, whose tunnel has the port."""
    tunnel = "-o ExitOnForwardFailure=yes -R 127.0.0.1:22:127.0.0.1:5050"
    done = near.verb("ssh", "echo got in", SSH_OPTIONS=tunnel)
    assert done.returncode == 1
    assert "Another release is running: its tunnel to a registry holds" in done.stdout
    assert "got in" not in done.stdout
    assert "was lost" not in done.stdout


def test_another_machine_at_the_droplets_address(near: Project, sshd: str) -> None:
    other = (ROOT / "infra/terraform/tests/fixtures/other_key.pub").read_text()
    pins(near).write_text(f"{sshd} {other}")
    for verb in ("ssh", "release", "status"):
        done = near.verb(verb)
        assert done.returncode == 1
        assert f"{sshd} shows another host key than the one pinned in {pins(near)}" in done.stdout
        assert f"ssh-keygen -R {sshd} -f '{pins(near)}'" in done.stdout
        assert "==> " not in done.stdout, "it had begun"
    assert pins(near).read_text() == f"{sshd} {other}"


def in_pipeline(project: Project, **settings: str) -> subprocess.CompletedProcess[str]:
    return project.verb(
        "in-pipeline", "ssh", "echo got in", GITHUB_STEP_SUMMARY="/dev/null",
        SSH_KNOWN_HOSTS=None, ANSIBLE_PRIVATE_KEY_FILE=None, **settings,
    )  # fmt: skip


def test_the_pipelines_credentials(near: Project, sshd: str, key: Path, tmp_path: Path) -> None:
    near.verb("ssh", "true")
    good = {"DEPLOY_KEY": key.read_text(), "DROPLET_HOST_KEY": pins(near).read_text()}
    assert in_pipeline(near, **good).stdout == "got in\n"
    # As pasted on Windows, without an end to the last line.
    pasted = {name: text.strip().replace("\n", "\r\n") for name, text in good.items()}
    assert in_pipeline(near, **pasted).stdout == "got in\n"
    for wrong in ("none", key.with_name("id.pub").read_text(), key.read_text()[:200]):
        done = in_pipeline(near, **good | {"DEPLOY_KEY": wrong})
        assert done.returncode == 1
        assert (
            "The pipeline's DEPLOY_KEY is no private key, or has a passphrase, so it opens nothing."
        ) in done.stdout
        assert "make pipeline" in done.stdout
        assert wrong not in done.stdout
    done = in_pipeline(near, **good | {"DROPLET_HOST_KEY": "none"})
    assert "DROPLET_HOST_KEY holds no host key" in done.stdout

    # The droplet was recreated: another key, another address, and it knows no pipeline.
    other = (ROOT / "infra/terraform/tests/fixtures/other_key.pub").read_text()
    new_key(tmp_path / "unknown")
    for stale, output in (
        ({"DROPLET_HOST_KEY": f"{sshd} {other}"}, "shows another host key than the one pinned in"),
        ({"DROPLET_HOST_KEY": f"203.0.113.9 {other}"}, f"No host key of {sshd} is pinned in"),
        (
            {"DEPLOY_KEY": (tmp_path / "unknown").read_text()},
            "does not accept the pipeline's SSH key",
        ),
    ):
        done = in_pipeline(near, **good | stale)
        assert done.returncode == 1
        assert output in done.stdout
        assert "If it was recreated: make pipeline" in done.stdout
        assert "got in" not in done.stdout
        assert "make doctor" not in done.stdout


def test_a_server_that_punishes_failed_logins(near: Project, key: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "wrong")
    for ip in server(key, "authfail:20"):
        near.settings["DROPLET_IP"] = ip
        wrong = {"ANSIBLE_PRIVATE_KEY_FILE": str(tmp_path / "wrong")}
        done = near.verb("ssh", "true", **wrong)
        assert f"{ip} does not accept your SSH key {tmp_path / 'wrong'}" in done.stdout
        done = near.verb("ssh", "true")
        assert done.returncode == 1
        assert f"{ip} refuses your address for a while" in done.stdout
        assert "does not answer" not in done.stdout


def test_a_private_key_with_windows_line_ends(near: Project, key: Path, tmp_path: Path) -> None:
    windows = tmp_path / "windows"
    windows.write_bytes(key.read_bytes().replace(b"\n", b"\r\n"))
    windows.chmod(0o600)
    done = near.verb("ssh", "true", ANSIBLE_PRIVATE_KEY_FILE=str(windows))
    assert done.returncode == 1
    fix = re.search(r"^If it is one: (sed .*)$", done.stdout, re.MULTILINE)
    assert fix
    subprocess.run(["bash", "-c", fix[1]], check=True)
    settings = {"ANSIBLE_PRIVATE_KEY_FILE": str(windows)}
    assert near.verb("ssh", "true", **settings).returncode == 0
