"""`python -m ops settings`: every environment variable that a person may set."""

from __future__ import annotations

from ops.console import terminal
from ops.console.settings import Settings

# What other modules and programs read.
OTHERS = (
    ("TF_VAR_...", "", "any variable of infra/terraform/variables.tf"),
    ("TF_WORKSPACE, TF_DATA_DIR", "", "Terraform's own: where its state is"),
    ("STROKES, BOX", "", "evaluate, bench: a file of pen strokes, and the side of their box"),
    ("MNIST_ROOT", "data", "train, test: where MNIST is"),
    ("DATABASE_CONNECTIONS", "8", "up: how many the app has to the database, at most"),
    ("SITE_DOMAIN", "", "up: a name that leads to the page, beside localhost"),
    ("PART", "all", "bench: recogniser, seed, app, deployment or processes"),
    ("NETWORK", "", "bench PART=seed: a folder with a network that another seed was trained to"),
    ("PACKAGE, UPGRADE", "", "lock: the newest of one package; yes: of all"),
    ("PYTEST_ARGS", "", "test, test-rehearsal: pytest's arguments, for a part of the tests"),
    ("LONG", "", "test, test-rehearsal: yes: also what takes minutes and rarely breaks"),
    ("DIGITALOCEAN_OPENAPI", "data/...", "test: DigitalOcean's description of its API, as JSON"),
    ("PEN_DIGITS", "", "test: a file of digits that people drew, in place of the tests' own"),
    ("CHROMIUM", "", "test: the browser, where it is not in PATH"),
    ("CI", "", "true: a test that cannot run fails, instead of being skipped"),
    ("NO_COLOR", "", "anything: no colours"),
    ("VERB_SUFFIX", "", "what the Makefile wants behind a verb it names"),
    ("RUNNER_TEMP, XDG_RUNTIME_DIR", "", "the machine's own: folders for files that go again"),
)


def run(_settings: Settings, _arguments: list[str]) -> None:
    """Print the list."""
    rows = [
        (one.metadata["name"], str(one.default), one.metadata["means"])
        for one, _ in Settings().every()
    ]
    terminal.table(("Setting", "Without it", "What it does"), [*rows, *OTHERS])
