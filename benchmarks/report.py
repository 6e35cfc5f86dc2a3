"""The lines of docs/benchmarks.md, and how they get there."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

FILE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
TITLES = {
    "recogniser": "The recogniser",
    "app": "The app",
    "deployment": "The deployment, rehearsed",
    "processes": "One process and two, rehearsed",
    "fleet": "Three droplets behind a load balancer, rehearsed",
}


@dataclass(frozen=True)
class Line:
    """One row of the report."""

    what: str
    measured: str
    aim: str = ""
    met: bool | None = None  # None: nothing was aimed at


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile, in milliseconds."""
    cut = statistics.quantiles(seconds, n=100, method="inclusive")
    return cut[49] * 1000, cut[94] * 1000


def shown(lines: Iterable[Line]) -> list[Line]:
    """Print each line as it comes, and return them all."""
    seen = []
    for line in lines:
        mark = {True: "  met", False: "  MISSED", None: ""}[line.met]
        aim = f"   aim: {line.aim}{mark}" if line.aim else ""
        print(f"{line.what}: {line.measured}{aim}", flush=True)
        seen.append(line)
    return seen


def write(part: str, lines: Sequence[Line]) -> None:
    """Put a part's lines in its place in the report; the other parts stay as they are."""
    text = FILE.read_text() if FILE.exists() else "# Benchmarks\n"
    section = (
        f"## {TITLES[part]}\n\n"
        f"Measured by `make bench PART={part}` on {datetime.now(UTC):%Y-%m-%d}: {_machine()}.\n\n"
        "| What | Measured | Aim |\n| --- | --- | --- |\n"
        + "".join(f"| {line.what} | {line.measured} | {line.aim} |\n" for line in lines)
    )
    parts = dict(re.findall(r"^(## [^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    heading, _, body = section.partition("\n")
    parts[heading] = body
    ordered = [f"## {title}" for title in TITLES.values() if f"## {title}" in parts]
    FILE.write_text(
        "# Benchmarks\n\n"
        + "\n".join(f"{heading}\n{parts[heading].rstrip()}\n" for heading in ordered)
    )


def numbers() -> dict[str, str]:
    """Return what the report says: what was measured, and what came out."""
    rows = re.findall(r"^\| (.+?) \| (.*?) \| .*\|$", FILE.read_text(), re.MULTILINE)
    return {what: measured for what, measured in rows if what != "What"}


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    name = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    return (
        f"{os.cpu_count()} cores ({name}), {memory:.0f} GiB, Python {platform.python_version()};\n"
        "what measures shares the cores"
    )
