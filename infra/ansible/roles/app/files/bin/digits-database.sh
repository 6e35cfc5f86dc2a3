# Sourced by digits-lib.sh: the database's container, and an upgrade that was cut off.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used by the commands that source this, or set by digits-lib.sh

# The image, the volume and the path of the database, for docker-compose.yml. Written by
# digits-upgrade-database and by nothing else, so whatever is released or set up keeps them. As long
# as there was no upgrade there is no such file, and docker-compose.yml's own values hold.
database_settings=$folder/postgres.env
# There while an upgrade is under way: what is to be done if it is cut off. "undo VOLUME" is to start
# what ran before (postgres.env.before) and to remove that volume; "open" is to let answers in.
upgrade=$folder/upgrade
database_within=${DATABASE_WITHIN:-120} # seconds for a database that is started
longest=1800                            # seconds that a step of a move may take, and that answers may have to wait

# database: the id of the database's container, if it runs.
database() {
  docker ps --quiet --filter label=com.docker.compose.project=digits --filter label=com.docker.compose.service=db
}

# ask_database CONTAINER SQL [DATABASE]: what PostgreSQL answers.
ask_database() {
  docker exec "$1" psql --username=digits --dbname="${3:-digits}" --no-psqlrc --no-align --tuples-only --quiet \
    --set=ON_ERROR_STOP=1 --command "$2"
}

# database_setting NAME: its value in postgres.env, or nothing.
database_setting() { [ ! -e "$database_settings" ] || sed -n "s/^$1=//p" "$database_settings"; }

# major_of IMAGE: the major version of PostgreSQL in it.
major_of() {
  docker image inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$1" | sed -n 's/^PG_MAJOR=//p'
}

# --- its image ---------------------------------------------------------------

# pull_database IMAGE: pull it, so that security fixes arrive; one that is here serves without a registry too.
pull_database() {
  local before=''
  if before=$(image_id "$1"); then
    ! is_immutable "$1" || return 0
  else
    say "Pulling $1"
  fi
  docker_pull "$1" && return 0
  [ -n "$before" ] || stop "$1 could not be pulled; Docker's reason is above." \
    "Check that there is such a version, and that its registry answers; then run the same command again."
  say "Whether there is a newer $1 could not be asked, so the one that is here stays."
}

# check_postgres_version IMAGE: PostgreSQL does not start on data that another major version wrote.
check_postgres_version() {
  local have want volume
  volume=$(database_setting POSTGRES_VOLUME)
  volume=${volume:-digits_postgres}
  docker volume inspect "$volume" >/dev/null 2>&1 || return 0
  want=$(major_of "$1")
  # Up to 17 it lies on the volume itself, from 18 on in a folder there for each version.
  have=$(docker run --rm --network none --volume "$volume:/data:ro" --entrypoint sh "$1" \
    -c 'cat /data/PG_VERSION /data/*/docker/PG_VERSION 2>/dev/null | head -n 1' || :)
  if [ -z "$have" ] || [ -z "$want" ] || [ "$have" = "$want" ]; then return 0; fi
  stop "The database was written by PostgreSQL $have, and $1 is version $want: it would not start on it." \
    "Stay on $have: in docker-compose.yml, postgres:$have-trixie. Or move the answers to $want: \
make upgrade-database VERSION=$want$verb_suffix"
}

# --- its container -----------------------------------------------------------

# is_configured SERVICE CONTAINER: whether docker-compose.yml would make this container the same again.
is_configured() {
  local would_be is
  would_be=$(APP_IMAGE=$(setting APP_IMAGE) compose config --hash "$1" | cut -d ' ' -f 2)
  is=$(docker container inspect --format '{{index .Config.Labels "com.docker.compose.config-hash"}}' "$2")
  [ "$is" = "$would_be" ]
}

# database_is_right IMAGE: whether the database runs, from the image and as docker-compose.yml has it now.
database_is_right() {
  local running
  running=$(database)
  [ -n "$running" ] && is_configured db "$running" &&
    [ "$(docker container inspect --format '{{.Image}}' "$running")" = "$(image_id "$1")" ]
}

# up_database: start its container, and wait until it is healthy.
up_database() {
  compose up --detach --no-build --wait --wait-timeout "$database_within" db >"$folder/start.log" 2>&1
}

# show_start: what Docker and the database said when it did not start.
show_start() {
  cat "$folder/start.log" >&2
  docker logs --tail 20 digits-db-1 2>&1 | sed 's/^/  | /' >&2 || :
}

# start_database IMAGE: start it, or move it to what IMAGE means now; if that does not come up, go
# back to the image that it had.
start_database() {
  local running had=''
  running=$(database)
  if [ -n "$running" ]; then
    had=$(docker container inspect --format '{{.Image}}' "$running")
    database_is_right "$1" ||
      say "The database is started anew and is away for some seconds; the page goes on meanwhile"
  fi
  if up_database; then
    # The one before cannot serve any more: it is older, and pulled again if it should be needed.
    if [ -n "$had" ] && [ "$had" != "$(image_id "$1")" ]; then
      docker image rm "$had" >/dev/null 2>&1 || :
    fi
    return 0
  fi
  show_start
  [ -n "$had" ] || stop "The database did not start; Docker's reason is above." "See: make logs$verb_suffix"
  # The compose file's name means the old one again, until the next pull.
  [ "$had" = "$(image_id "$1")" ] || docker tag "$had" "$1" || :
  up_database ||
    stop "The database did not start, neither anew nor as it was; Docker's reason is above." \
      "See: make logs$verb_suffix"
  stop "The database did not start from $1 as it is now, and runs as before; why is above." \
    "To stay with what runs, name its version (make status$verb_suffix), as in: \
make upgrade-database VERSION=17.6$verb_suffix"
}

# --- an upgrade that was cut off -----------------------------------------------

# write_down FILE: standard input, into a file that is there whole or not at all, even if the power goes.
write_down() {
  (umask 077 && cat >"$1.new")
  sync "$1.new"
  mv "$1.new" "$1"
  sync "$folder"
}

# beside ARGS...: docker compose, for the new database as long as it runs beside the old one.
beside() { COMPOSE_PROJECT_NAME=digits-upgrade compose "$@"; }

# let_answers_in: a database that was moved is closed for writing until it serves for good.
let_answers_in() {
  ask_database "$(database)" 'ALTER DATABASE digits RESET default_transaction_read_only' postgres
}

# settle_upgrade: take an upgrade back that was cut off, or bring it to its end; the caller holds
# the lock. Nothing was stored in the new database before "open", so to go back loses no answer.
settle_upgrade() {
  local what volume
  [ -e "$upgrade" ] || return 0
  read -r what volume <"$upgrade"
  if [ "$what" = undo ]; then
    write_down "$database_settings" <"$database_settings.before"
    up_database && beside down >/dev/null 2>&1 || return
    [ -z "$volume" ] || docker volume rm --force "$volume" >/dev/null || return
  else
    up_database && let_answers_in || return
  fi
  rm -f "$upgrade"
  rm -f "$database_settings.before"
}

# --- answers have to wait --------------------------------------------------------

# hold_answers CONTAINER FILE: from here on its log stays as it is. A session holds it, so that it is
# let go when this script ends, however it does; what goes wrong is in FILE. The number is the lock
# under which the app makes the table (app/digits/prediction_log.py).
hold_answers() {
  local word='' to from
  say "Holding answers back: the page says to press again"
  # shellcheck disable=SC2034 # coproc sets it
  coproc session {
    exec setpriv --pdeathsig KILL docker exec --interactive "$1" psql --username=digits --no-psqlrc \
      --no-align --tuples-only --quiet --set=ON_ERROR_STOP=1 2>"$2" 9>&-
  }
  to=${session[1]} from=${session[0]}
  printf '%s\n' "SET application_name = 'digits-move';" "SET lock_timeout = '10s';" \
    "SET transaction_timeout = '${longest}s';" 'BEGIN;' \
    "DO \$\$ BEGIN
      PERFORM pg_advisory_xact_lock(20240728);
      IF to_regclass('predictions') IS NOT NULL THEN LOCK TABLE predictions IN SHARE MODE; END IF;
    END \$\$;" "SELECT 'held';" 1>&"$to" 2>/dev/null || :
  read -r -t 60 -u "$from" word || :
  [ "$word" = held ] || {
    cat "$2" >&2
    stop "The log could not be held: somebody else's transaction is open on it, as in make psql." \
      "End it, and run this again."
  }
}

# let_go: what hold_answers holds.
let_go() { [ -z "${session_PID:-}" ] || printf '%s\n' 'ROLLBACK;' '\q' 2>/dev/null 1>&"${session[1]}" || :; }
