"""What somebody who has taken over the app tries with its database.

As a program it runs in the app's container, reads what the app has there (docker-compose.yml), and
prints what succeeded. It needs nothing but psycopg2, so it can come over the standard input.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psycopg2
from psycopg2 import errors, extensions

# Each has to be refused for want of a right, and for no other reason.
ATTEMPTS = (
    # other tables, passwords, files, programs
    "SELECT * FROM public.of_root",
    "SELECT rolpassword FROM pg_authid",
    "SELECT setconfig, passwd FROM pg_shadow, pg_db_role_setting",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/run/secrets/postgres_password')",
    "SELECT pg_ls_dir('/')",
    "COPY predictions FROM '/etc/passwd'",
    "COPY predictions TO '/tmp/stolen'",
    "COPY predictions TO PROGRAM 'id'",
    "COPY predictions FROM PROGRAM 'id'",
    "COPY (SELECT 'x') TO '/tmp/x'",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "LOAD '/tmp/x.so'",
    # the rows
    "UPDATE predictions SET true_label = 0",
    "DELETE FROM predictions",
    "TRUNCATE predictions",
    "MERGE INTO predictions USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    "SELECT * FROM predictions FOR UPDATE",
    "BEGIN; LOCK TABLE predictions IN SHARE MODE",
    "BEGIN; LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE",
    # the table, and other objects
    "ALTER TABLE predictions ADD more int",
    "ALTER TABLE predictions DISABLE TRIGGER ALL",
    "ALTER TABLE predictions OWNER TO digits_app",
    "DROP TABLE predictions",
    "CREATE INDEX mine ON predictions (true_label)",
    "CREATE RULE mine AS ON INSERT TO predictions DO INSTEAD NOTHING",
    "CREATE TABLE public.mine ()",
    "CREATE TABLE pg_catalog.mine ()",
    "CREATE TEMPORARY TABLE mine ()",
    "SELECT 1 AS x INTO TEMPORARY mine",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE SEQUENCE public.mine",
    "CREATE TYPE public.mine AS ENUM ('x')",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.count() RETURNS text LANGUAGE sql AS $$ SELECT 'x[$(id)]' $$",
    "CREATE FUNCTION pg_catalog.count(text) RETURNS text LANGUAGE sql AS $$ SELECT '$(id)' $$",
    "CREATE PUBLICATION mine",
    "CREATE DATABASE mine",
    "COMMENT ON TABLE predictions IS 'x'",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    # itself, others, the server
    "CREATE ROLE mine",
    "ALTER ROLE digits_app SUPERUSER",
    "ALTER ROLE digits_app CREATEROLE",
    "ALTER ROLE digits PASSWORD 'mine'",
    "ALTER ROLE digits SET search_path = public",
    "ALTER DATABASE digits SET search_path = public",
    "GRANT pg_write_server_files TO digits_app",
    "GRANT digits TO digits_app",
    "SET ROLE digits",
    "SET SESSION AUTHORIZATION digits",
    "ALTER SYSTEM SET archive_command = 'id'",
    "SELECT pg_reload_conf()",
    "SELECT pg_create_physical_replication_slot('mine')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS NULL",
    # space for temporary files
    "SET work_mem = '64kB'; SELECT n FROM generate_series(1, 200000) n ORDER BY n % 7",
    "SET temp_file_limit = -1",
    "ALTER ROLE digits_app RESET temp_file_limit",
)
REFUSED = (errors.InsufficientPrivilege, errors.ConfigurationLimitExceeded)
# What the app's role may do, and what must not come into root's dumps or questions.
MISCHIEF = (
    "INSERT INTO predictions VALUES ('infinity', 1, 1), ('-infinity', 2, 2)",
    "INSERT INTO predictions VALUES ('0044-03-15 12:00 BC', 3, 3), ('290000-01-01', 4, 4)",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
    "ALTER ROLE digits_app SET search_path = nowhere",
    "ALTER ROLE digits_app SET default_transaction_read_only = on",
)

Connect = Callable[[], extensions.connection]


def succeeded(connect: Connect) -> list[str]:
    """Try everything; what was not refused."""
    return [sql for sql in ATTEMPTS if not _is_refused(connect, sql)]


def _is_refused(connect: Connect, sql: str) -> bool:
    connection = connect()
    try:
        connection.cursor().execute(sql)
    except REFUSED:
        return True
    except psycopg2.Error as error:
        print(f"{sql}: {error}")  # it has failed, but not for want of a right
    finally:
        connection.close()
    return False


def main() -> None:
    """Be the app's container."""
    url = os.environ["DATABASE_URL"]
    password = Path(os.environ["DATABASE_PASSWORD_FILE"]).read_text().strip()

    def connect() -> extensions.connection:
        connection = psycopg2.connect(url, password=password)
        connection.autocommit = True
        return connection

    for sql in succeeded(connect):
        print(f"succeeded: {sql}")
    # As somebody else, or elsewhere, with every secret that lies here.
    secrets = [file.read_text().strip() for file in Path("/run/secrets").iterdir()]
    for user, name in (
        ("digits", "digits"),
        ("postgres", "postgres"),
        ("digits_app", "postgres"),
        ("digits_app", "template1"),
    ):
        for secret in (*secrets, "", None):
            try:
                psycopg2.connect(f"postgresql://{user}@db:5432/{name}", password=secret)
            except psycopg2.OperationalError:
                continue
            print(f"succeeded: to connect to {name} as {user}")
    print(f"tried with {len(secrets)} secrets")


if __name__ == "__main__":
    main()
