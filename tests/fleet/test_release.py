"""Several droplets, one after the other: a release, a rollback, and what comes of a failure."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.project import Api, Project

# Each droplet: what serves there is in a file of its address's name, "new" after a release.
SSH = """
host=$(grep -o 'root@[0-9.]*' <<<"$*" | head -n 1 | cut -d @ -f 2)
here=$DROPLETS/$host
said=$(tr '\\n' ' ' <<<"$*" | grep -o 'digits [a-z]* .*\\|touch .*\\|rm .*')
echo "$host: $said" >>"$DROPLETS/log"
[ "$host" != "$DOWN" ] || { echo "ssh: connect to host $host port 22: timed out" >&2; exit 255; }
case "$*" in
*"digits release "*) [ "$host" != "$BAD" ] || { echo "it does not start" >&2; exit 1; }
  echo new >"$here" ;;
*"digits rollback"*) [ "$host" != "$BAD" ] || exit 1
  word=$(grep -o 'sha256:[a-z]*' <<<"$*" || echo sha256:older)
  echo "$word" >"$here" ;;
*"digits releases --json"*)
  [ ! -e "$here" ] || id=$(cat "$here")
  printf '{"releases": [{"id": "%s"}]}\n' "${id-}" ;;
*"digits status"*) echo "$host serves $(cat "$here")" ;;
esac
"""


@pytest.fixture
def three(project: Project, api: Api, tmp_path: Path) -> tuple[Project, dict[str, Path]]:
    """A deployment of three droplets that serve the same, and what each serves."""
    project.settings |= {"TF_VAR_droplets": "3", "TF_VAR_managed_database": "true"}
    project.deployed()
    folder = tmp_path / "droplets"
    folder.mkdir()
    project.settings |= {"DROPLETS": str(folder), "BAD": "", "DOWN": "", "BRING_BACKUP": "no"}
    project.ssh_says(SSH)
    listed = api.call("GET", "droplets?tag_name=digits").json()["droplets"]
    serves = {one["name"]: folder / one["networks"]["v4"][0]["ip_address"] for one in listed}
    for file in serves.values():
        file.write_text("sha256:old\n")
    return project, serves


def served(files: dict[str, Path]) -> list[str]:
    return [files[name].read_text().strip() for name in sorted(files)]


def printed(done: subprocess.CompletedProcess[str], status: int = 0) -> str:
    assert done.returncode == status
    return done.stdout


def test_one_after_the_other(three: tuple[Project, dict[str, Path]]) -> None:
    project, serves = three
    text = printed(project.verb("release"))
    order = [text.index(f"==> Droplet {name}") for name in sorted(serves)]
    assert order == sorted(order)
    assert served(serves) == ["new"] * 3

    text = printed(project.verb("rollback"))
    assert served(serves) == ["sha256:older"] * 3
    log = (Path(project.settings["DROPLETS"]) / "log").read_text()
    # One dump of their one database is enough: the first one's.
    for verb in ("release", "rollback"):
        reported = re.findall(rf"(\S+): .* BACKED_UP=(\w*) .*digits {verb} ", log)
        assert [backed_up for _, backed_up in reported] == ["", "yes", "yes"]
        assert reported[0][0] == serves["digits"].name
    # Where the first went, the others go, by the image's id.
    assert log.count("digits rollback") == 3
    assert len(re.findall("digits rollback.*sha256:older", log)) == 2

    # Of one of them the rest does not keep us from hearing.
    text = printed(project.verb("status", DOWN=serves["digits-2"].name), 1)
    for name in ("digits", "digits-3"):
        assert f"{serves[name].name} serves sha256:older" in text
    assert "DROPLET" not in text
    shown = project.verb("ssh", "digits status", DROPLET="digits-3").stdout
    assert f"{serves['digits-3'].name} serves" in shown
    text = printed(project.verb("ssh", DROPLET="digits-4"), 1)
    assert "There is: digits, digits-2, digits-3" in text


def test_what_breaks_on_the_second_is_live_nowhere(three: tuple[Project, dict[str, Path]]) -> None:
    project, serves = three
    text = printed(project.verb("release", BAD=serves["digits-2"].name), 1)
    assert "Droplet digits goes back, so that all have the same version" in text
    assert "==> Droplet digits-3" not in text
    assert served(serves) == ["sha256:old"] * 3
    # A new one, which has nothing to go back to, gets no visitors.
    serves["digits-2"].unlink()
    text = printed(project.verb("release", BAD=serves["digits-3"].name), 1)
    assert "It is new: the balancer sends no visitors there until the next release." in text
    assert "touch /run/digits-drained" in (serves["digits"].parent / "log").read_text()
    # The next one takes them in again.
    printed(project.verb("release"))
    assert served(serves) == ["new"] * 3
    assert (serves["digits"].parent / "log").read_text().count("rm -f /run/digits-drained") >= 3


def test_not_without_one_that_is_down(three: tuple[Project, dict[str, Path]]) -> None:
    project, serves = three
    for verb in ("release", "rollback"):
        text = printed(project.verb(verb, DOWN=serves["digits-3"].name), 1)
        assert "The droplet digits-3 does not answer" in text
        assert "nothing was changed on any" in text
        assert served(serves) == ["sha256:old"] * 3
