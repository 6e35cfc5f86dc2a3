"""Measure; write docs/benchmarks.md and README's table: `make bench`, `make bench PART=app`."""

from __future__ import annotations

import sys

from benchmarks import app, deployment, fleet, growing, processes, readme, recogniser
from benchmarks.report import FILE, TITLES, shown, write

MEASURES = {
    "recogniser": recogniser.measure,
    "app": app.measure,
    "deployment": deployment.measure,
    "processes": processes.measure,
    "fleet": fleet.measure,
}


def main() -> None:
    """Measure the parts that are named, or all."""
    parts = sys.argv[1:] or list(TITLES)
    if unknown := set(parts) - set(TITLES):
        sys.exit(f"There is no part {unknown.pop()}. The parts: {', '.join(TITLES)}")
    missed = []
    for part in parts:
        lines = shown(MEASURES[part]())
        write(part, lines)
        readme.write()
        growing.write()
        missed += [line.what for line in lines if line.met is False]
    print(f"Written to {FILE} and {readme.README.name}.")
    if missed:
        sys.exit("Missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
