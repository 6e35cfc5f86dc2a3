"""The file .env: settings that stay set, for every verb and for docker compose.

What the environment sets counts more. Git ignores the file, and it may hold secrets, so others may
not read it. ENV_FILE names another file; empty, it names none: a verb that has read the file tells
the programs that it starts so, and a rehearsal never reads it.
"""

from __future__ import annotations

import difflib
import io
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ops.console import terminal
from ops.console.distribution import is_windows_linux
from ops.console.errors import Failed

VARIABLE = "ENV_FILE"
DEFAULT = ".env"


def load(root: Path, known: Mapping[str, bool]) -> None:
    """Add to this process's environment what the file sets and the environment does not.

    `known`: every setting, and whether it may stay set. Raises Failed.
    """
    name = os.environ.get(VARIABLE, DEFAULT)
    if name and _is_there(root / name, name):
        found = _settings(root / name, name)
        _refuse_what_may_not_stay_set(found, name, known)
        _warn_of_unknown(found, name, known)
        for setting, value in found.items():
            if setting in known:
                os.environ.setdefault(setting, value)
    os.environ[VARIABLE] = ""


def _is_there(file: Path, name: str) -> bool:
    """Whether there is such a file. Raises Failed for what is no file, or open to others."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        if name != DEFAULT:
            raise Failed(f"{VARIABLE}={name} is no file.", f"unset {VARIABLE}") from None
        return False
    if not stat.S_ISREG(mode):
        raise Failed(
            f"{name} is a folder or another thing, where the file with your settings should be.",
            f"Give it another name: mv {name} {name}.old",
        )
    if mode & 0o077:
        raise Failed(
            f"Other users of this machine may read or change {name}, which may hold your token.",
            f"Let nobody else: chmod 600 {name}",
            *(["No effect? Move the clone to Linux's own disk."] if is_windows_linux() else []),
        )
    return True


def _settings(file: Path, name: str) -> dict[str, str]:
    """What the file sets. Raises Failed if a line is not understood."""
    from dotenv.parser import parse_stream  # not every environment that reads settings has it

    try:
        text = file.read_text(encoding="utf-8-sig")
    except PermissionError:
        raise Failed(f"You may not read {name}.", f'sudo chown "$USER" {name}') from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Failed(f"{name} is not UTF-8 text.", "Save it as UTF-8 in your editor.")
    found = {}
    for one in parse_stream(io.StringIO(text)):
        if one.error or (one.key and one.value is None):
            raise Failed(
                f"Line {one.original.line} of {name} is not understood, so nothing was done.",
                "Write one setting a line, as NAME=value, and a # before a comment. A value with "
                "spaces or a # in it needs quotes.",
            )
        if one.key:
            found[one.key] = one.value or ""
    return found


def _refuse_what_may_not_stay_set(
    found: Mapping[str, str], name: str, known: Mapping[str, bool]
) -> None:
    if once := [setting for setting in found if not known.get(setting, True)]:
        raise Failed(
            f"{name} sets {', '.join(once)} for every command from now on. It is for one command, "
            "so nothing was done.",
            f"Take it out of {name}, and give it with the command: make ... {once[0]}=...",
        )


def _warn_of_unknown(found: Mapping[str, str], name: str, known: Mapping[str, bool]) -> None:
    for setting in found:
        if setting not in known:
            close = difflib.get_close_matches(setting, known, 1, 0.8)
            meant = f" Do you mean {close[0]}?" if close else " See what there is: make settings"
            terminal.note(f"{name} sets {setting}, which is no setting and has no effect.{meant}")
