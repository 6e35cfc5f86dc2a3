-- The app's own role, digits_app: it stores predictions and reads them, and may do nothing else.
--
-- It runs as the superuser digits: PostgreSQL's image runs it in a new database (docker-compose.yml),
-- `make up` and `digits release` in every database. It may run any number of times, and changes all or nothing.
\set ON_ERROR_STOP on
-- The password of whoever runs it, or else that of the container.
\getenv password APP_PASSWORD
\if :{?password}
\else
  \set password `cat /run/secrets/app_password`
\endif
-- The app, too, takes no notice of spaces and newlines around it.
SELECT btrim(:'password', E' \t\r\n') AS password, btrim(:'password', E' \t\r\n') = '' AS is_empty \gset
\if :is_empty
  DO $$ BEGIN RAISE EXCEPTION 'the password of digits_app is empty: see the file secrets/app_password'; END $$;
\endif

SET search_path = pg_catalog;
SET client_min_messages = warning;
SET log_min_error_statement = panic; -- else a statement that fails is logged with its password
SET lock_timeout = '10s';
BEGIN READ WRITE;

-- The superuser owns the table, so the app cannot change it.
DO $$
BEGIN
  IF to_regclass('public.predictions') IS NULL THEN
    PERFORM pg_advisory_xact_lock(20240728); -- as an app of an older version, which makes it, too
    CREATE TABLE IF NOT EXISTS public.predictions (
      predicted_at    timestamptz NOT NULL,
      predicted_digit smallint    NOT NULL CHECK (predicted_digit BETWEEN 0 AND 9),
      true_label      smallint    NOT NULL CHECK (true_label BETWEEN 0 AND 9)
    );
    CREATE INDEX IF NOT EXISTS predictions_predicted_at ON public.predictions (predicted_at);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'digits_app') THEN
    CREATE ROLE digits_app;
  END IF;
  IF EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'predictions'
             AND tableowner = 'digits_app') THEN
    ALTER TABLE public.predictions OWNER TO CURRENT_USER;
  END IF;
END $$;

-- Whatever the role has had until now, it loses.
ALTER ROLE digits_app
  LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT -1 VALID UNTIL 'infinity'
  PASSWORD :'password';
ALTER ROLE digits_app RESET ALL;
ALTER ROLE digits_app IN DATABASE :"DBNAME" RESET ALL;
DROP OWNED BY digits_app;
DO $$
DECLARE
  one text;
BEGIN
  FOR one IN
    SELECT format('REVOKE %s FROM digits_app GRANTED BY %s', roleid::regrole, grantor::regrole)
    FROM pg_auth_members WHERE member = 'digits_app'::regrole
  LOOP
    EXECUTE one;
  END LOOP;
  -- What everybody may do: connect to any database, and make temporary tables there.
  FOR one IN
    SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname)
    FROM pg_database WHERE datname IN (current_database(), 'postgres', 'template1')
  LOOP
    EXECUTE one;
  END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON public.predictions FROM PUBLIC;
-- Large objects need no table. They would come into the dumps, and a restore refuses those then.
REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC;

GRANT CONNECT ON DATABASE :"DBNAME" TO digits_app;
GRANT USAGE ON SCHEMA public TO digits_app;
GRANT SELECT, INSERT ON public.predictions TO digits_app;
ALTER ROLE digits_app SET temp_file_limit = 0; -- what it does needs no temporary files
COMMIT;
