"""The table of docs/scaling.md: what each size holds, by the figures of docs/benchmarks.md."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks import report
from benchmarks.processes import BUSY, PACE, PAGES
from ops.cloud import prices

PAGE = report.FILE.with_name("scaling.md")
TABLE = re.compile(r"(?<=\| --- \| --- \| --- \| --- \|\n)(\|.*\n)*")
# What `make bench PART=processes` writes: what one process does with a processor to itself.
A_CORE = "a whole core of this machine would do"
NOT_YET = "not measured yet"
# The size of droplet: its processors, and dollars a month.
SIZES = {
    "s-1vcpu-1gb": (1, 6),
    "s-2vcpu-4gb": (2, 24),
    "s-4vcpu-8gb": (4, 48),
    "s-8vcpu-16gb": (8, 96),
}


@dataclass(frozen=True)
class Step:
    """A size of the whole deployment."""

    size: str = "s-1vcpu-1gb"
    droplets: int = 1
    nodes: int = 1  # of the load balancer
    database: str = "db-s-1vcpu-1gb"

    @property
    def processes(self) -> int:
        """How many the app has: one for each processor."""
        return self.droplets * SIZES[self.size][0]

    @property
    def dollars(self) -> float:
        """What all of it costs a month."""
        droplets = self.droplets * SIZES[self.size][1]
        if self.droplets == 1:
            return droplets
        return droplets + self.nodes * prices.BALANCER_NODE + prices.DATABASES[self.database]

    @property
    def settings(self) -> str:
        """What has to be set, beside what the step before had."""
        given = {
            "TF_VAR_size": self.size if self.size != "s-1vcpu-1gb" else "",
            "TF_VAR_droplets": str(self.droplets) if self.droplets > 1 else "",
            "TF_VAR_managed_database": "true" if self.droplets > 1 else "",
            "TF_VAR_database_size": self.database if self.database != "db-s-1vcpu-1gb" else "",
            "TF_VAR_balancer_nodes": str(self.nodes) if self.nodes > 1 else "",
        }
        words = [f"`{name}={value}`" for name, value in given.items() if value]
        return " ".join(words) or "nothing"

    @property
    def what(self) -> str:
        """What there is then."""
        several = f"{self.processes} processes" if self.processes > 1 else "1 process"
        if self.droplets == 1:
            return f"1 droplet, {several}"
        return f"{self.droplets} droplets, {several}"


STEPS = (
    Step(),
    Step("s-2vcpu-4gb"),
    Step("s-4vcpu-8gb"),
    Step("s-8vcpu-16gb"),
    Step("s-2vcpu-4gb", droplets=3),
    Step("s-8vcpu-16gb", droplets=8, nodes=2, database="db-s-2vcpu-4gb"),
)


def _holds(processes: int, numbers: dict[str, str]) -> str:
    """How many visitors at once, each of whom draws and answers every ten seconds."""
    found = re.search(r"[\d.]+", numbers.get(A_CORE, ""))
    if not found:
        return NOT_YET
    each = min(float(found[0]) * BUSY / PACE, PAGES)
    return f"{round(processes * each, -1):,.0f}"


def table(numbers: dict[str, str]) -> str:
    """Return the rows, as Markdown."""
    rows = (
        (_holds(step.processes, numbers), step.settings, step.what, f"${step.dollars:g}")
        for step in STEPS
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def write() -> None:
    """Put what docs/benchmarks.md says into the page's table."""
    PAGE.write_text(TABLE.sub(lambda _: table(report.numbers()), PAGE.read_text(), count=1))
