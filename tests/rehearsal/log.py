"""The log of answers on a rehearsed droplet, in whichever database it is."""

from __future__ import annotations

import shlex

from tests.rehearsal.deployment import Deployment

MANY = 10_000
APP = "docker ps --quiet --filter label=com.docker.compose.service=app"
AN_ANSWER = (
    "from datetime import UTC, datetime; from digits import prediction_log;"
    " prediction_log.default().record(datetime.now(UTC), 7, 1)"
)


def record(deployment: Deployment) -> None:
    """Log one answer as the app does, which makes the table before the first one."""
    one = f"{APP} | head -n 1"
    deployment.ssh(f"docker exec $({one}) python -c {shlex.quote(AN_ANSWER)}")


def sql(deployment: Deployment, statement: str) -> str:
    """What the database that serves answers: the container db reaches it, whichever it is."""
    psql = "docker exec digits-db-1 psql -qtA -v ON_ERROR_STOP=1 --username digits --command"
    command = f"{psql} {shlex.quote(statement)}"
    # 126 and more are Docker's: once in a while it cannot begin an exec.
    return deployment.ssh(f"{command} || {{ [ $? -ge 126 ] && sleep 1 && {command}; }}").strip()


def fill(deployment: Deployment) -> None:
    """Log ten thousand answers of January 2026; the table must be there."""
    sql(
        deployment,
        "INSERT INTO predictions SELECT timestamptz '2026-01-01' + n * interval '1 second',"  # noqa: S608
        f" n % 10, n % 7 FROM generate_series(1, {MANY}) AS n",
    )


def empty(deployment: Deployment) -> None:
    """Take those of January 2026 away again."""
    sql(deployment, "DELETE FROM predictions WHERE predicted_at < '2026-02-01'")


def add(deployment: Deployment) -> None:
    """Log one more answer, of now; the table must be there."""
    sql(deployment, "INSERT INTO predictions VALUES (now(), 1, 2)")


def count(deployment: Deployment) -> int:
    """How many answers the log holds; before the first answer there is no table."""
    there = sql(deployment, "SELECT to_regclass('predictions') IS NOT NULL") == "t"
    return int(sql(deployment, "SELECT count(*) FROM predictions")) if there else 0


def checksum(deployment: Deployment) -> str:
    """Of the answers of January 2026."""
    rows = "SELECT md5(string_agg(p::text, ',' ORDER BY p)) FROM predictions p"
    return sql(deployment, f"SET TimeZone = 'UTC'; {rows} WHERE predicted_at < '2026-02-01'")
