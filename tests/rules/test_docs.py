"""README and docs say what is so: their commands, files, settings and messages exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

import gate
from benchmarks import growing, report
from droplet import backup, history, offsite, release, watchdog
from ops.backup import dumps
from ops.cloud import prices
from ops.console import distribution
from ops.console.settings import Settings
from ops.deployment import processes
from tests.rehearsal import test_readme
from tests.rehearsal.deployment import ROOT, clean_environment

DOCS = ROOT / "docs"
OUTER = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")]
PAGES = [*OUTER, *sorted(DOCS.glob("*.md"))]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def commands() -> list[str]:
    """Every make command in a block or between backticks."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.findall(text):
            found |= {line.split("#")[0].strip() for line in block.splitlines()}
        found |= set(re.findall(r"`((?:[A-Z_a-z]+=\S+ )*make(?: [^`\n]+)?)`", text))
    return sorted(line for line in found if re.search(r"(^|\s)make(\s|$)", line))


def each_page(test: Callable[[Path], None]) -> Callable[[Path], None]:
    return pytest.mark.parametrize("page", PAGES, ids=named)(test)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> list[str]:
    """The anchor of each heading, as GitHub makes it."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@each_page
def test_no_two_headings_have_one_anchor(page: Path) -> None:
    found = anchors(page)
    if page.name != "CHANGELOG.md":
        assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_make_has_the_verb(command: str) -> None:
    words = shlex.split(command.replace("...", "x"))
    # What stands before make is environment, what follows with "=" are make's variables.
    arguments = words[words.index("make") + 1 :]
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for setting in re.findall(r"\b([A-Z][A-Z_]{2,})=", command):
        assert is_known(setting), setting


def test_make_alone_fits_a_terminal_and_says_what_to_do_first() -> None:
    done = subprocess.run(
        ["make"], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\033[" not in done.stdout, "colours are for a terminal"
    first = done.stdout.rstrip().splitlines()[-3]
    assert first.startswith("First time?  make run")


CODE = ("app", "infra", "ops", "scripts", "rehearsal", "training")


@cache
def sources(*more: str) -> str:
    """The code, and more files, as one text."""
    files = tracked(*CODE, *more)
    return "\n".join(file.read_text() for file in files if file.suffix not in (".png", ".pt"))


def is_known(setting: str) -> bool:
    """Whether something reads this setting; pytest reads STANDING_REHEARSAL."""
    return bool(re.search(rf"\b{setting}\b", sources("Makefile", "tests/**/conftest.py")))


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    links = set(re.findall(r"\]\(([^)\s]+)\)", text))
    links |= set(re.findall(r'(?:src|srcset)="([^"]+)"', text))
    # On GitHub's page of the repository, this leads to its runs.
    for link in {one for one in links if not one.startswith(("http", "../../actions/"))}:
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link
    for path in re.findall(
        r"`((?:app|benchmarks|infra|ops|scripts|tests|training|rehearsal|docs|\.github)/[\w./-]+)`",
        text,
    ):
        assert (ROOT / path).exists() or is_ignored(path), path


def is_ignored(path: str) -> bool:
    """Whether git ignores it: such a file is made here and stays here."""
    asked = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
    return asked.returncode == 0


def messages() -> list[str]:
    text = (DOCS / "troubleshooting.md").read_text()
    return re.findall(r"^#### `(.+)`$", text, re.MULTILINE)


@cache
def joined() -> str:
    """The sources; a long line of Python's may be broken into pieces there."""
    return re.sub(r'"\n\s*f?"', "", sources(".github"))


@pytest.mark.parametrize("message", messages())
def test_a_message_is_printed_as_it_is_listed(message: str) -> None:
    for part in filter(None, (part.strip() for part in message.split("…"))):
        assert part in sources(".github") or part in joined(), part


def test_every_setting_of_the_workflows_is_in_the_docs() -> None:
    named = set()
    for file in tracked(".github/workflows"):
        named |= set(re.findall(r"\b(?:secrets|vars)\.([A-Z_]+)", file.read_text()))
    page = (DOCS / "deploy-from-github.md").read_text()
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []


def test_readme_is_short_and_its_everyday_commands_are_run() -> None:
    text = README.read_text()
    assert len(text.split()) <= 1000
    everyday = re.findall(r"^\| `(make [^`]+)` \|", text, re.MULTILINE)
    run = {line for block in test_readme.blocks().values() for line in block.splitlines()}
    assert len(everyday) == 10
    assert set(everyday) <= run


@each_page
def test_a_block_can_be_pasted_into_every_shell(page: Path) -> None:
    """zsh, on macOS, takes no comments in what is typed."""
    assert [line for block in BLOCK.findall(page.read_text()) for line in block.splitlines()
            if "#" in line] == []  # fmt: skip


def test_the_index_has_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    for page in set(DOCS.glob("*.md")) - {DOCS / "README.md"}:
        assert f"]({page.name})" in index, page.name


def sentences(page: Path) -> list[str]:
    """Each sentence of a page's paragraphs, items and cells; code in it counts as a word."""
    text = re.sub(r"^```.*?^```|^#.*?$|<.*?>", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|(?<!\\)\||[.!?:;][*_)]*\s| · ", text)
    return [" ".join(part.split()) for part in parts]


@each_page
def test_no_sentence_is_long(page: Path) -> None:
    assert [one for one in sentences(page) if len(one.split()) > 30] == []


def cells(page: str) -> list[list[str]]:
    """The rows of every table of a page."""
    rows = re.findall(r"^\| (.+) \|$", (DOCS / page).read_text(), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in rows]


def test_the_page_of_settings_has_the_defaults_of_the_code() -> None:
    defaults = {one.metadata["name"]: str(one.default) for one, _ in Settings().every()}
    terraform = (ROOT / "infra/terraform/variables.tf").read_text()
    variables = re.findall(r'variable "(\w+)" {\n(?:  .*\n)*?  default += "(.*)"\n', terraform)
    defaults |= {f"TF_VAR_{name}": default for name, default in variables}
    assert len(variables) > 3
    for names, default, _ in (row for row in cells("settings.md") if row[0].startswith("`")):
        for name in re.findall(r"`(\w+)`", names):
            assert name in defaults, name
            if default.startswith("`"):
                assert default.strip("`") == defaults[name], name


def test_the_page_of_costs_has_the_prices_of_the_code() -> None:
    shown = {row[1]: row[2] for row in cells("costs.md")}
    by_setting = {
        setting: price for text, price in shown.items() for setting in re.findall("`(.+?)`", text)
    }
    for size, (_, dollars) in growing.SIZES.items():
        assert by_setting[f"TF_VAR_size={size}"] == f"${dollars}"
    for size, price in list(prices.DATABASES.items())[1:]:
        assert by_setting[f"TF_VAR_database_size={size}"] == f"${price:g}"
    smallest = next(iter(prices.DATABASES.values()))
    assert by_setting["TF_VAR_managed_database=true"] == f"${smallest:g}"
    assert by_setting["TF_VAR_backup_bucket=..."] == f"${prices.SPACE:g}"
    assert by_setting["TF_VAR_droplets=2"] == f"${prices.BALANCER_NODE:g}"
    weekly, daily = (f"{prices.BACKUPS[often]:.0%}" for often in ("weekly", "daily"))
    assert by_setting["TF_VAR_backups=weekly"] == f"{weekly} or {daily} of the droplet"


def test_what_is_installed_is_what_the_doctor_names() -> None:
    page = (DOCS / "your-first-deployment.md").read_text()
    for name in ("debian", "ubuntu"):
        command, packages = distribution._PACKAGES[name]  # noqa: SLF001
        wanted = " ".join(packages[program] for program in ("docker", "compose", "buildx"))
        assert f"`{command} {wanted}`" in page


@pytest.mark.parametrize("script", ["scripts/lint", "scripts/test"])
def test_what_needs_linux_names_the_dev_container(tmp_path: Path, script: str) -> None:
    uname = tmp_path / "uname"
    uname.write_text("#!/bin/sh\necho Darwin\n")
    uname.chmod(0o755)
    settings = clean_environment() | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [ROOT / script], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith(" need Linux: see docs/dev-container.md\n")
    assert (DOCS / "dev-container.md").exists()


WORDS = {2: "two", 3: "three", 7: "seven", 10: "ten"}
_LAST, _HOURLY, _DAILY, _MONTHLY = offsite._RETENTION.split()[1::2]  # noqa: SLF001
_WEB = yaml.safe_load((ROOT / "infra/ansible/roles/web/defaults/main.yml").read_text())


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("scaling", f"needs {processes.PROCESS_MB} MB at most and holds {gate.PAGES} open pages"),
        ("releases-and-rollback", f"The droplet keeps {WORDS[history.KEEP]} images"),
        ("backups-and-restore", f"keeps {_HOURLY} hourly, {_DAILY} daily and {_MONTHLY} monthly"),
        ("backups-and-restore", f"always the last {WORDS[int(_LAST)]}"),
        ("backups-and-restore", f"{WORDS[backup.KEEP // 86400]} days, and the last of each kind"),
        ("backups-and-restore", f"the {WORDS[dumps.KEPT]} newest, the fullest"),
        ("alerts", f"restarted a container {WORDS[watchdog.OFTEN]} times"),
        ("alerts", f"less than {WORDS[watchdog.RECENT // 60]} minutes ago"),
        ("decisions", f"An address may have {_WEB['web_connections_of_address']}"),
        ("settings", f"| `HEALTHY_WITHIN` | `{release.HEALTHY_WITHIN}` |"),
    ],
)
def test_a_number_of_the_code_is_the_same_in_the_docs(page: str, sentence: str) -> None:
    assert sentence in " ".join((DOCS / f"{page}.md").read_text().split())


def test_a_number_that_is_repeated_is_the_one_that_was_measured() -> None:
    measured = report.numbers()
    plain = measured["requests failed when the same is done by plain `docker compose up -d`"]
    failed, of = (int(number.replace(",", "")) for number in plain.split(" of "))
    decisions = " ".join((DOCS / "decisions.md").read_text().split())
    assert f"fails {plain} requests, which is {failed / of:.0%}".replace("%", " %") in decisions
    rehearsed = measured["`git clone` and `make deploy TARGET=rehearsal`, to the page"]
    assert f"took {rehearsed}" in " ".join((DOCS / "rehearsal.md").read_text().split())
    second = measured["bytes sent for the second, 1,000 answers later"]
    assert f"sends {second.split('(')[1].rstrip(')')} of the first" in decisions
