"""restic, which makes, checks and thins out the offsite backups, and what its errors mean.

/etc/digits/copies says where they go and what opens them (Ansible's roles/offsite). Secrets are in
that folder and in restic's environment, never in a command line.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from operator import itemgetter
from typing import IO

from droplet.console import Stop
from droplet.host import Host
from droplet.programs import WITH_US, Result, run

PLACE = "/etc/digits/copies"
FILE = "/digits.dump"  # what a backup holds
NO_REPOSITORY = 10  # restic's exit status
LONGEST, QUICK = 3000, 120  # seconds
_DAMAGED = "what is in {place} is damaged"
# What restic prints (a pattern), and below it what that means. The first one that fits counts.
_REASONS = r"""
write \S*/dump: no space|write /dev/stdout: no space
    the droplet's own disk is full
wrong password|no key found|empty password|Resolving password
    the password does not open the repository. Put the one that it was made with into
    COPIES_PASSWORD_FILE on your machine, then: {deploy}
InvalidAccessKey|ccess key|Access Key Id|Signature|Access ?Denied|Permission denied
    {place} does not let the droplet in: its key is wrong, or may not do this there. Give the right
    one: {deploy}
NoSuchBucket|bucket does not exist
    the bucket of {place} does not exist. Make it, then: {deploy}
sftp: "Failure"
    {place} takes no files: it is full, or can only be read. Make room there, or let the droplet
    write; the backups that are there stay good
o space left|[Qq]uota|StorageFull|InsufficientStorage
    there is no room left in {place}. Make room there; the backups that are there stay good
read-only file system
    {place} can only be read. Let the droplet write there; the backups that are there stay good
Host key verification failed|IDENTIFICATION HAS CHANGED
    the sftp host shows another host key than before. If that is right, on the droplet:
    rm /etc/digits/copies/known_hosts
dial tcp|onnection (refused|reset|lost)|timed out|no such host|not resolve
    {place} does not answer. See whether it is up, and its name right
start the sftp
    {place} does not answer, or does not let the key in: ssh-copy-id to it, with COPIES_SSH_KEY
already locked
    another program has the repository locked ({lock}). If that program was killed, its lock is
    removed half an hour after it was made. It is tried again in an hour
^$|signal terminated|context canceled
    {place} did not answer in time: its connection may be slow. It is tried again in an hour
ReadFull|too short|loading tree|ciphertext|invalid data|not found in
    what is in {place} is damaged
command failed
    the database was not dumped. restic prints: {error}
.
    restic prints: {error}
"""
_LOCK = re.compile(r"by PID (\d+) on (\S+) .*lock was created at [^(]*\((\S+) ago\)")


@dataclass(frozen=True)
class Snapshot:
    """One offsite backup: when, how many answers, the release that was live, its size in bytes."""

    id: str
    when: str
    answers: int
    image: str
    commit: str
    size: int


def is_set_up(host: Host) -> bool:
    """Whether this droplet makes offsite backups."""
    return host.disk.exists(f"{PLACE}/env")


class ResticError(Exception):
    """restic failed; the text names the reason and the next step."""

    def __init__(self, reason: str, done: Result) -> None:
        super().__init__(reason)
        self.done = done


class Restic:
    """A repository, and the backups of this deployment in it: others may keep theirs there, too.

    `is_new`: `snapshots` found no repository there.
    """

    def __init__(self, host: Host) -> None:
        """Raises Stop where this droplet makes no offsite backups."""
        words = shlex.split(host.disk.read(f"{PLACE}/env"), comments=True)
        self.environment = dict(word.partition("=")[::2] for word in words)
        if not is_set_up(host):
            raise Stop(
                "This droplet makes no offsite backups.",
                "Set up where they go: docs/backups-and-restore.md",
            )
        self.place = self.environment["RESTIC_REPOSITORY"]
        self.host_option = ("--host", self.environment.get("COPIES_OF", ""))
        self.own = (*self.host_option, "--path", FILE)
        self.is_new = False
        self._host = host

    def run(
        self,
        *arguments: str,
        within: int = LONGEST,
        into: IO[bytes] | None = None,
        folder: str = "/",
    ) -> str:
        """What restic prints. It waits for a lock when it writes; what only reads takes --no-lock.

        It retries for a quarter of an hour; `within` seconds end it, so that it removes its locks.
        Raises ResticError.
        """
        done = self._run(*arguments, within=within, into=into, folder=folder)
        if not done.ok:
            raise ResticError(self._reason(done), done)
        return done.out

    def _run(
        self, *arguments: str, within: int, into: IO[bytes] | None = None, folder: str = "/"
    ) -> Result:
        path = self._host.disk.path
        ssh = (
            f"-i {path(PLACE)}/ssh_key -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=15 "
            f"-o UserKnownHostsFile={path(PLACE)}/known_hosts -o StrictHostKeyChecking=accept-new"
        )
        return run(
            *("timeout", str(within), *WITH_US, "restic", "--retry-lock", "5m"),
            *("--cache-dir", str(path("/var/cache/restic")), "-o", f"sftp.args={ssh}", *arguments),
            stdout=into,
            env=self.environment,
            folder=path(folder),
        )

    def unlock(self) -> None:
        """Remove stale locks: their restic is gone, or has not renewed them for half an hour."""
        try:
            self.run("unlock", within=QUICK)
        except ResticError as why:
            self._host.console.warn(f"Stale locks could not be removed: {why}.")

    def snapshots(self) -> list[Snapshot]:
        """The backups, the newest first. Raises ResticError."""
        try:
            data = json.loads(self.run("snapshots", "--no-lock", *self.own, "--json", within=60))
        except ResticError as error:
            self.is_new = error.done.status == NO_REPOSITORY
            if not self.is_new:
                raise
            return []
        return [_snapshot(one) for one in sorted(data, key=itemgetter("time"), reverse=True)]

    def read(self, snapshot: Snapshot, into: IO[bytes]) -> None:
        """Write the dump that a backup holds. Raises ResticError."""
        self.run("dump", "--no-lock", snapshot.id, FILE, into=into)

    def is_damage(self, error: ResticError) -> bool:
        """Whether restic reached the repository, and could not read a backup in it."""
        if str(error) != _DAMAGED.format(place=self.place):
            return False
        return self._run("cat", "config", "--no-lock", within=QUICK).ok

    def broken_files(self) -> list[str]:
        """The files of the repository that cannot be read to their end. It reads them all."""
        done = self._run("check", "--no-lock", "--read-data", "--json", within=LONGEST)
        found = re.search(r'"broken_packs":\[([^\]]*)\]', done.out)
        return json.loads(f"[{found[1]}]") if found else []

    def damaged(self) -> list[str]:
        """The ids of the backups of which a part is missing, by the index. Raises ResticError."""
        printed = self.run("repair", "snapshots", "--dry-run", "--no-lock", *self.own)
        parts = re.split(r"^snapshot (\w+) of .*$", printed, flags=re.MULTILINE)
        each = zip(parts[1::2], parts[2::2], strict=True)
        return [one for one, text in each if re.search(r"would (save|remove|delete)", text)]

    def _reason(self, done: Result) -> str:
        error = _messages(done.error)
        lock = _LOCK.search(error)
        given = {
            "place": self.place,
            "deploy": self._host.console.make("deploy"),
            "lock": "process {} on {} locked it {} ago".format(*lock.groups()) if lock else "",
            "error": error[-300:],
        }
        # Each is a line, and those below it that are indented.
        table = re.findall(r"^(\S.*)\n((?: .*\n)+)", _REASONS, re.MULTILINE)
        sentence = next(text for pattern, text in table if re.search(pattern, error))
        return " ".join(sentence.split()).format(**given)


def _snapshot(data: dict[str, object]) -> Snapshot:
    """From restic's JSON. Its tags are rows=, image= and commit=."""
    given = data.get("tags")
    tags = dict(str(tag).partition("=")[::2] for tag in given) if isinstance(given, list) else {}
    summary = data.get("summary")
    size = summary.get("total_bytes_processed", 0) if isinstance(summary, dict) else 0
    answers = str(tags.get("rows", ""))
    return Snapshot(
        id=str(data["short_id"]),
        when=f"{str(data['time'])[:19]}Z",
        answers=int(answers) if answers.isdecimal() else 0,
        image=tags.get("image", "-"),
        commit=tags.get("commit", "-"),
        size=size,
    )


def _messages(error: str) -> str:
    """Its messages in one line. With --json they are JSON, too."""
    found = []
    for line in error.splitlines():
        try:
            found.append(str(json.loads(line)["message"]))
        except (ValueError, TypeError, KeyError):
            found.append(line)
    return " ".join(found).strip()
