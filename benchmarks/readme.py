"""README's table "In numbers", from the lines of docs/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks import recogniser, report

README = report.FILE.parents[1] / "README.md"
TABLE = re.compile(r"(?<=## In numbers\n\n\| \| \|\n\| --- \| --- \|\n)(\|.*\n)*")

Numbers = dict[str, str]  # what was measured, and what came out
NEVER_PAUSING = "50 visitors at once, 10 draws and answers, never pausing: "


def _first(text: str) -> str:
    """Return the first number in a text: of "0 of 701" it is 0."""
    found = re.search(r"[\d.,]+", text)
    assert found, text
    return found[0].rstrip(".,")


def _pens(numbers: Numbers) -> str:
    """The worst and the best over all pens and sizes."""
    shares = [float(_first(m)) for what, m in numbers.items() if ", pen " in what]
    return f"{min(shares):.2f} to {max(shares):.2f} %, by pen and size"


def _mouse_up(numbers: Numbers) -> str:
    (measured,) = (m for what, m in numbers.items() if what.startswith("mouse-up to visible"))
    median = _first(measured.removeprefix("p50 "))
    return f"{median} ms"


def _visitors(numbers: Numbers) -> str:
    slow = numbers[NEVER_PAUSING + "wait"].rsplit("p95 ", 1)[1]
    errors = int(_first(numbers[NEVER_PAUSING + "errors"]))
    lost = f"{errors} lost" if errors else "none lost"
    return f"95 % of answers within {slow}, {lost}"


def _release(numbers: Numbers) -> str:
    plain = "requests failed when the same is done by plain `docker compose up -d`"
    seconds = numbers["release of a one-line change"]
    dropped = numbers["requests failed during a release under load"]
    return f"{seconds}, {dropped} (plain `docker compose up -d`: {numbers[plain]})"


ROWS: dict[str, Callable[[Numbers], str]] = {
    "right on MNIST's digits, on the canvas": lambda n: n[recogniser.MNIST],
    "right on 7,494 digits that 30 people drew with a pen": _pens,
    "mouse up to visible prediction": _mouse_up,
    "fifty visitors at once who never pause, on two cores": _visitors,
    "a release, and the requests it drops under load": _release,
    "sent to the droplet for a one-line change": lambda n: n["bytes to the droplet for it"],
    "memory held at most, during a release, on a droplet of 1 GB": lambda n: n[
        "memory held at most, both versions and a backup, droplet of 1 GB without its swap"
    ].split(",")[0],
    "a bare droplet to a URL": lambda n: n[
        "first deploy, bare droplet to URL (image layers cached)"
    ],
}


def table(numbers: Numbers) -> str:
    """Return the rows, as Markdown."""
    return "".join(f"| {what} | {row(numbers)} |\n" for what, row in ROWS.items())


def write() -> None:
    """Put what docs/benchmarks.md says into README's table."""
    text = README.read_text()
    README.write_text(TABLE.sub(lambda _: table(report.numbers()), text, count=1))
