"""Modules of the package that are not written yet have small stand-ins."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from droplet import disk

STAND_INS: dict[str, dict[str, Any]] = {
    "backup": {"make": lambda host, kind: host.disk.write(f"/b/{kind}", "") or f"/b/{kind}"},
    "fleet": {"note": lambda _host: None},
    "alerts": {
        "begin": lambda _host, _name: None,
        "end": lambda _host, _name: None,
        "listed": lambda _host: [],
    },
    "offsite": {"status_lines": lambda _host: []},
    "certificate": {"describe": lambda _host: ["in order"]},
}

for name, functions in STAND_INS.items():
    if importlib.util.find_spec(f"droplet.{name}") is None:
        module = ModuleType(f"droplet.{name}")
        vars(module).update(functions)
        sys.modules[f"droplet.{name}"] = module
        setattr(sys.modules["droplet"], name, module)

disk.RESERVE = 150_000  # which is faster to write, and enough for a container of the model
