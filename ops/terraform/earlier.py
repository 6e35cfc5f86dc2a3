"""What an earlier `make deploy` set, and nothing sets now: it stays as it is.

Terraform's state has the values of all variables (outputs.tf). A setting that is only forgotten, in
a new terminal, say, must not make the deployment smaller again.
"""

from __future__ import annotations

import json
import os
import re

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Settings, TerraformSettings
from ops.terraform import state


def keep(settings: Settings, *, may_ask: bool = False) -> Settings:
    """The settings with what an earlier deploy set and nothing sets now. Raises Failed.

    Each is named. `may_ask`: a person at a terminal may go back to the defaults.
    """
    try:
        missing = _missing(settings.terraform)
    except state.StateError:  # a check of the verb's says so
        return settings
    if not missing:
        return settings
    terminal.line(f"An earlier {make('deploy')} set these, and nothing sets them now:")
    for name, value in missing.items():
        terminal.line(f"  {name}={value}")
    answer = terminal.ask("Keep them? Type yes, or no for the defaults: ") if may_ask else None
    if answer not in (None, "yes", "no"):
        raise Failed("Nothing was changed.", "Answer yes or no.")
    if answer == "no":
        return settings
    terminal.line("They are kept. To change one, set it; to keep it for good, put it into .env.")
    os.environ.update(missing)
    return Settings.read()


def _missing(terraform: TerraformSettings) -> dict[str, str]:
    """The variables that are not at their default in the state, and that nothing sets now."""
    files = "\n".join(file.read_text() for file in terraform.path.glob("*.tfvars"))
    in_files = {f"TF_VAR_{name}" for name in re.findall(r"^\s*(\w+)\s*=", files, re.MULTILINE)}
    defaults = {one.metadata["name"]: one.default for one, _ in Settings().every()}
    earlier = {
        f"TF_VAR_{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in state.variables(terraform).items()
        if value is not None
    }
    return {
        name: value
        for name, value in earlier.items()
        if name not in os.environ and name not in in_files and value != defaults.get(name, value)
    }
