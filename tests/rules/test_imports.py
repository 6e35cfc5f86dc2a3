"""No module imports one that imports it, and the packages of ops import downwards only."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The folders that packages are imported from, and the packages.
PACKAGES = {
    file.parent.name: file.parents[1]
    for root in (ROOT, ROOT / "app")
    for file in root.glob("*/__init__.py")
}


def name_of(file: Path, root: Path) -> str:
    """A module's name."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path, name: str, known: set[str]) -> set[str]:
    """Which of the known modules this one imports, those for its types alone included."""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` means the module.
            modules = {f"{origin}.{alias.name}" for alias in node.names}
            found |= modules & known or {origin}
    return (found & known) - {name}


# The packages of ops: each imports those above it in this list, never those below.
LAYERS = (
    "console",
    "environments",
    "cloud",
    "ssh",
    "page",
    "terraform",
    "github",
    "deployment",
    "release",
    "backup",
    "database",
    "adoption",
    "provision",
    "doctor",
    "verbs",
)


def test_the_packages_are_found() -> None:
    assert {"rehearsal", "digits"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_there_is_no_import_circle(package: str) -> None:
    root = PACKAGES[package]
    files = {name_of(file, root): file for file in (root / package).rglob("*.py")}
    graph = {name: imported(file, name, set(files)) for name, file in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


def test_every_package_of_ops_has_its_layer() -> None:
    folders = {file.parent.name for file in (ROOT / "ops").glob("*/__init__.py")}
    assert folders == set(LAYERS)
    modules = {file.name for file in (ROOT / "ops").glob("*.py")}
    assert modules == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_package_of_ops_imports_downwards(layer: str) -> None:
    files = {name_of(file, ROOT): file for file in (ROOT / "ops").rglob("*.py")}
    below = {layer, *LAYERS[: LAYERS.index(layer)]}
    for file in (ROOT / "ops" / layer).rglob("*.py"):
        packages = {name.split(".")[1] for name in imported(file, name_of(file, ROOT), set(files))}
        assert packages <= below, file.name
