"""What a run of the pipeline on GitHub lacks."""

from __future__ import annotations

from ops.console.errors import Failed
from ops.console.make import make

ENVIRONMENT = "production"  # the jobs that deploy run in it


def no_secret(github_actor: str, name: str) -> Failed:
    """Why a run of the pipeline lacks this value, and what to do."""
    if github_actor == "dependabot[bot]":
        return Failed(
            f"This run has no {name}: GitHub gives the repository's secrets to no run that "
            "Dependabot starts. Nothing was changed.",
            "Start one yourself: on GitHub, Actions, then Deploy, then Run workflow.",
        )
    return Failed(
        f"This run has no {name}: the repository or its environment {ENVIRONMENT} does not have "
        "it, and a fork gets none of the secrets of the repository that it comes from.",
        f"Set all that the pipeline needs, on the laptop that deployed: {make('pipeline')}",
    )
