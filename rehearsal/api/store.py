"""The account's state: one JSON document, kept in one file; and the log of what changes it."""

from __future__ import annotations

import copy
import json
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

State = dict[str, Any]
LOG = logging.getLogger("rehearsal.api")


class Store:
    """Keeps the state in memory and, after every change, on disk.

    A change works on a copy, which then takes the old state's place. So a state that somebody
    reads never changes meanwhile.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        #: What has to follow a change before anybody reads it, or the change fails.
        self.follow: Callable[[State], None] = lambda _state: None
        new: State = {"next_id": 1000, "account_uuid": str(uuid.uuid4()), "vpcs": {}}
        self.state = new | (json.loads(file.read_text()) if file.exists() else {})

    @contextmanager
    def change(self) -> Iterator[State]:
        """The state, to be changed: all of it is kept, or on an error none."""
        with self._lock:
            draft = copy.deepcopy(self.state)
            yield draft
            self.follow(draft)
            self._save(draft)
            self.state = draft

    def _save(self, state: State) -> None:
        # Written beside and moved over: a crash leaves the old file or the new.
        draft = self._file.with_suffix(".new")
        with draft.open("w") as out:
            json.dump(state, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(self._file)


def next_id(state: State) -> int:
    """A number that nothing else in the account has."""
    state["next_id"] += 1
    number: int = state["next_id"]
    return number


def now() -> str:
    """This second, in UTC, as DigitalOcean writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def log(message: str) -> None:
    """Log what went on behind the API."""
    LOG.info("%s %s", now(), message)
