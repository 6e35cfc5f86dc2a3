"""What the droplet has noted about its offsite backups: /var/lib/digits/copies.

`complete` (its time: up to when every prediction is in the repository), `places` (the repositories
that backups were made to), `logged` (what was stored then), `newest`, `failed`, `tested`, `damaged`
(ids), `unreadable/` (damaged files of the repository).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from droplet.console import count
from droplet.disk import DiskFull
from droplet.host import Host
from droplet.restic import Snapshot

FOLDER = "/var/lib/digits/copies"
UNREADABLE = f"{FOLDER}/unreadable"


@dataclass
class Noted:
    """The notes on the repository at `place`. `starting_over`: it may have lost its backups."""

    host: Host
    place: str
    starting_over: bool = False

    def read(self, name: str) -> str:
        """A note; empty if there is none."""
        return self.host.disk.read(f"{FOLDER}/{name}").strip()

    def write(self, name: str, text: str) -> None:
        """For the next run, and for `digits status`. On a full disk, what was there stays."""
        try:
            self.host.disk.write(f"{FOLDER}/{name}", f"{text}\n", spare=False)
        except DiskFull:
            self._warn()

    def complete(self, time: float) -> None:
        """Everything until then (seconds since 1970) is in the repository."""
        try:
            self.host.disk.date(f"{FOLDER}/complete", time)
        except DiskFull:
            self._warn()
        self.host.disk.remove(f"{FOLDER}/failed")

    def made(self, stored: str, answers: int) -> None:
        """A backup was made."""
        if self.place not in self._places():
            self.write("places", "\n".join([*self._places(), self.place]))
        self.write("logged", stored)
        self.write("newest", f"{self.host.clock.stamp()}, {count(answers)}")

    def had_backups(self) -> bool:
        """Whether backups were made to this very place from here."""
        if self.starting_over:
            return False
        # The first version wrote no file places, and had one place.
        is_old = not self.host.disk.exists(f"{FOLDER}/places")
        return bool(self.read("newest")) if is_old else self.place in self._places()

    def damaged(self, found: list[Snapshot]) -> list[str]:
        """The ids of the damaged backups that are still there."""
        noted = self.read("damaged").split()
        return [one.id for one in found if one.id in noted]

    def forget_damaged(self) -> None:
        """No damaged one is left."""
        self.host.disk.remove(f"{FOLDER}/damaged")
        self.host.disk.remove_folder(UNREADABLE)

    def values(self) -> dict[str, Any]:
        """What `digits status` shows. `complete` is in seconds since 1970."""
        complete = self.host.disk.modified(f"{FOLDER}/complete")
        notes = {name: self.read(name) for name in ("newest", "failed", "tested")}
        return {**notes, "place": self.place, "complete": int(complete) if complete else None}

    def _places(self) -> list[str]:
        return self.read("places").splitlines()

    def _warn(self) -> None:
        status = self.host.console.make("status")
        self.host.console.warn(
            f"The droplet's disk is full, so {status} does not show this. See what takes it: "
            "du -xsh /var/* | sort -h"
        )


def how_to_remove(damaged: list[str]) -> str:
    """The damaged backups, in a sentence."""
    return " ".join(f"To remove a damaged one: digits offsite remove {one}." for one in damaged)
