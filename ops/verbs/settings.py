"""`python -m ops settings`: every environment variable that a person may set."""

from __future__ import annotations

import dataclasses

from ops import say
from ops.settings import Settings

OTHERS = (
    ("TF_VAR_...", "", "any variable of infra/terraform/variables.tf"),
    ("TF_WORKSPACE, TF_DATA_DIR", "", "Terraform's own, which are heeded where its state is read"),
    ("NO_COLOR", "", "anything: no colours"),
)


def run(_settings: Settings, _arguments: list[str]) -> None:
    """Print the list."""
    rows = [
        (field.metadata["name"], str(field.default), field.metadata["means"])
        for field in dataclasses.fields(Settings)
    ]
    say.table(("Setting", "Without it", "What it does"), [*rows, *OTHERS])
