"""The house rules of the code: where things are, what a function may take, how they speak."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from ops.console.settings import Settings
from ops.verbs import settings as listed
from tests.project import PYTHON

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("app", "benchmarks", "ops", "rehearsal", "tests", "training")
OPS = sorted((ROOT / "ops").rglob("*.py"))


def tracked(*patterns: str) -> list[Path]:
    """The project's files, those that are new included."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_python_has_its_houses() -> None:
    strangers = {
        named(file)
        for file in tracked("*.py")
        if file.relative_to(ROOT).parts[0] not in HOUSES
        and not named(file).startswith("infra/droplet/")
    }
    assert strangers == {"infra/ansible/inventory.py"}
    assert len((ROOT / "infra/ansible/inventory.py").read_text().splitlines()) <= 12


def test_bash_is_short() -> None:
    own = (".devcontainer", "rehearsal/offline/images", "rehearsal/droplet", "tests")
    lines = {
        named(file): len(file.read_text().splitlines())
        for file in tracked()
        if file.is_file() and re.match(rb"#!.*\b(ba)?sh\b", file.read_bytes()[:64])
        if not named(file).startswith(own)
    }
    assert sum(lines.values()) < 340, lines


def test_nobody_sets_pythons_path_by_hand() -> None:
    text = {
        named(f): f.read_text() for f in tracked("*.py", "scripts", "Makefile", ".github", ".ci")
    }
    assert [name for name, output in text.items() if "PYTHON" + "PATH" in output] == []


@pytest.mark.parametrize("file", OPS, ids=named)
def test_a_function_of_ops_has_at_most_six_arguments(file: Path) -> None:
    """How complex it may be, the linter checks."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            given = node.args
            names = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
            assert len(names - {"self", "cls"}) <= 6, node.name


@pytest.mark.parametrize("file", [f for f in OPS if f.parent.name == "verbs"], ids=named)
def test_a_verb_is_a_module_with_a_run(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree)
    if file.name != "__init__.py":
        assert "run" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_setting_is_in_the_list() -> None:
    """Whatever the environment is asked for, by name, outside of the tests' own machinery."""
    known = {one.metadata["name"] for one, _ in Settings().every()}
    known |= {name for names in listed.OTHERS for name in names.split(", ")}
    # What other programs give us, or are given by us.
    known |= {"PATH", "HOME", "DATABASE_PASSWORD_FILE", "SSH_IS_IN", "STAND_IN", "STAND_IN_CACHE"}
    known |= {"no_proxy", "NO_PROXY", "LC_ALL", "SSH_AUTH_SOCK"}
    asked = re.compile(
        r"""environ(?:\.get\(|\.pop\(|\[)\s*["'](\w+)["'](?!\]\s*=)|getenv\(["'](\w+)["']"""
    )
    for file in tracked("app/*.py", "benchmarks/*.py", "ops/*.py", "training/*.py"):
        for names in asked.findall(file.read_text()):
            assert set(filter(None, names)) <= known, named(file)
    for file in [ROOT / "Makefile", *tracked("scripts/*")]:
        used = re.findall(r"\$\{([A-Z][A-Z_]+):?[-+]|\$\(([A-Z][A-Z_]+)\)", file.read_text())
        names = {name for pair in used for name in pair if name}
        assert names - {"OPS", "TARGET", "MAKEFILE_LIST"} <= known, named(file)


def test_the_list_is_printed_whole() -> None:
    command = (ROOT / PYTHON, "-m", "ops", "settings")
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == listed.text()
    words = " ".join(printed.replace("#", "").split())
    for one, _ in Settings().every():
        assert re.search(rf"^# ?{one.metadata['name']}(=|  )", printed, re.MULTILINE)
        assert one.metadata["means"] in words


def test_nothing_beside_the_clone_is_known() -> None:
    """Where data lie elsewhere, settings name them, which .ci/run sets."""
    beside = re.compile(r"""\.\./shared|["']shared/|\bROOT\.parent\b""")
    files = [file for file in tracked("*.py", "scripts", "Makefile", ".github") if file.is_file()]
    found = [named(file) for file in files if beside.search(file.read_text())]
    assert found == []


def test_an_error_names_its_next_step() -> None:
    """What Failed and Stop are given: what happened, and then at least one more text."""

    def ends_there(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("Failed", "Stop", "Refused")
            and len(node.args) < 2
            and not any(isinstance(one, ast.Starred) for one in node.args)
        )

    found = [
        f"{named(file)}:{node.lineno}"
        for file in tracked("ops/*.py", "infra/droplet/*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if ends_there(node) and isinstance(node, ast.Call)
    ]
    assert found == []


def test_a_skip_names_its_fix() -> None:
    """tests/needs.py is the only place that skips."""
    skips = re.compile(r"pytest\.(skip\(|importorskip|mark\.skip)")
    found = {named(file) for file in tracked("tests/*.py") if skips.search(file.read_text())}
    assert found == {"tests/needs.py", "tests/test_needs.py"}


def test_a_release_waits_for_make_test_and_the_image_and_not_for_the_rehearsal() -> None:
    def workflow(name: str) -> str:
        return (ROOT / f".github/workflows/{name}.yml").read_text()

    jobs = yaml.safe_load(workflow("deploy"))["jobs"]
    assert sorted(jobs["release"]["needs"]) == ["image", "test"]
    assert "needs" not in jobs["image"], "it is built meanwhile"
    assert "uses: ./.github/workflows/test.yml" in workflow("deploy")
    assert re.findall(r"\.ci/run (\S+)", workflow("test")) == ["test"]
    assert re.findall(r"\.ci/run (\S+)", workflow("rehearsal")) == ["test-rehearsal"]
    # "on" is a truth value for YAML; nothing keeps the rehearsal from a push to main.
    started_by = yaml.safe_load(workflow("rehearsal"))[True]
    # One deployment runs at a time, and the newest push has the next turn. Nothing is cut off
    # half-way. A rollback waits for no push that is queued.
    rules = [yaml.safe_load(workflow(name))["concurrency"] for name in ("deploy", "rollback")]
    assert [rule["cancel-in-progress"] for rule in rules] == [False, False]
    assert len({rule["group"] for rule in rules}) == 2
    assert "${{" not in str(rules), "every run is in the same group"
    assert {"pull_request", "push"} <= set(started_by)
    assert started_by["push"] is None


def test_no_job_with_secrets_runs_what_another_job_left_in_a_cache() -> None:
    """Whoever can run code in the other job could put anything there."""
    for file in tracked(".github/workflows"):
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            text = yaml.safe_dump(job)
            assert not ("secrets." in text and "actions/cache" in text), f"{file.name}: {name}"
