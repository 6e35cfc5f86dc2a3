# Sourced by digits-lib.sh: the droplet's own database or DigitalOcean's managed one, and the move between them.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used by the commands that source this, or set by digits-lib.sh
#
# Which one is wanted, Ansible says in site.env; which one serves, release.env. Where they differ,
# digits-release moves what is logged, as a part of that release: the new containers, with the other
# database, start beside those that serve, and are tried; then answers wait (the page says to press
# again), the rows are copied and compared, nginx is switched, and answers are let in. Until nginx is
# switched the old database has every answer; from then on the new one has.
#
# The one that does not serve stays closed: its user's transactions are read-only by default. So
# nobody who still talks to it stores an answer there, and what it holds is known to be of an earlier time.
moving=$folder/moving # there while a move is under way
client=digits-move    # the container that reaches the managed database meanwhile

# wanted_database: local or managed.
wanted_database() {
  local is
  is=$(sed -n 's/^DATABASE=//p' /etc/digits/site.env 2>/dev/null || :)
  printf '%s\n' "${is:-local}"
}

# serving_database: the same, of the one that has the answers; before the first release, it is the one that is wanted.
serving_database() {
  local is
  [ -e "$settings" ] || {
    wanted_database
    return
  }
  is=$(setting DATABASE)
  printf '%s\n' "${is:-local}"
}

# container_of local|managed: the container that reaches it during a move.
container_of() { if [ "$1" = managed ]; then echo "$client"; else echo digits-db-1; fi; }

# in_words local|managed
in_words() { if [ "$1" = managed ]; then echo "the managed database"; else echo "the droplet's own database"; fi; }

start_client() {
  stop_client
  docker run --detach --name "$client" --network digits_default --init --pull never --read-only --cap-drop ALL \
    --memory 128m --security-opt no-new-privileges --volume "$folder/database:/run/database:ro" \
    --env PGSERVICEFILE=/run/database/pg_service.conf --env PGSERVICE=digits \
    "$(compose config --images db)" sleep infinity >"$folder/start.log" 2>&1
}

stop_client() { docker rm --force --volumes "$client" >/dev/null 2>&1 || :; }

# managed_in_words: how the managed database is, and what to do if it does not answer.
managed_in_words() {
  local said count
  if said=$(ask_database digits-db-1 "SELECT format('PostgreSQL %s', split_part(current_setting('server_version'),
    ' ', 1))" 2>&1); then
    count=$(count_of digits-db-1)
    printf '%s at DigitalOcean, %s\n' "$said" "$(counted "${count:-0}")"
    return
  fi
  case $said in
  *"password authentication"* | *"certificate verify"*)
    said="does not know this droplet any more, or is not known here: its password or authority is another. make \
deploy$verb_suffix brings the new one"
    ;;
  *"too many"* | *"connection slots"*) said="every connection is busy: see docs/managed-database.md" ;;
  *"No such container"* | *"not running"*) said="its client does not run: make deploy$verb_suffix" ;;
  *) said="does not answer; the page goes on predicting, and says to press again. See whether it is online: \
https://cloud.digitalocean.com/databases" ;;
  esac
  printf 'the managed one %s\n' "$said"
}

# --- before anything is stopped --------------------------------------------------

# prepare_move: have both databases at hand, and the other one ready for the new containers' trial.
prepare_move() {
  local to=$1 from
  from=$(serving_database)
  [ "$from" != "$to" ] || return 0
  [ "$at_once" = "$processes" ] || stop \
    "The log moves to another database with all processes at once, and there is no memory for both sets." \
    "Move it with one process, and deploy again without that number: \
make deploy TF_VAR_app_processes=1$verb_suffix"
  say "Moving what is logged from $(in_words "$from") to $(in_words "$to")"
  printf 'from %s to %s\n' "$from" "$to" | write_down "$moving"
  # What serves needs no container here when it is the managed one.
  DATABASE=local up_database || {
    show_start
    stop "The droplet's own database did not start; why is above." "Mend it, and run this again."
  }
  start_client || could_not_move "Docker could not start a client for the managed database; why is above."
  make_room "$to"
}

# could_not_move WHAT: end; leave takes the move back.
could_not_move() {
  cat "$folder/start.log" >&2
  stop "$1" "Mend it, and run this again."
}

# make_room local|managed: empty what an earlier move left there, and let answers in, for the trial.
# What is open, and holds answers, is somebody's.
make_room() {
  local at name closed has
  at=$(container_of "$1") name=$(in_words "$1")
  if ! { closed=$(ask_database "$at" 'SHOW default_transaction_read_only') && has=$(count_of "$at"); }; then
    stop "${name^} does not answer this droplet; the reason is above." \
      "See whether it is up, and lets this droplet in: make doctor$verb_suffix. Then run this again."
  fi
  if [ "$closed" = on ]; then
    say "Replacing what an earlier move left there: $(counted "${has:-0}")"
    open_database "$at" "${has:+TRUNCATE predictions;}" ||
      stop "${name^} could not be emptied; why is above." "Run this again."
  elif [ "${has:-0}" != 0 ]; then
    stop "${name^} holds $has answers that did not come from here, and they would be replaced." \
      "Choose which to keep: docs/managed-database.md, Two logs."
  elif [ -z "$has" ] && [ "$(ask_database "$at" "SELECT has_schema_privilege('public', 'CREATE')")" != t ]; then
    stop "The app may not make its table in $name." "Let Ansible allow it: make deploy$verb_suffix"
  fi
}

# count_of CONTAINER: how many answers it holds; nothing where there is no table for them.
count_of() {
  local there
  there=$(ask_database "$1" "SELECT to_regclass('predictions') IS NOT NULL") || return
  [ "$there" != t ] || ask_database "$1" 'SELECT count(*) FROM predictions'
}

# --- closed, and open ---------------------------------------------------------------

# close_database CONTAINER: every transaction from now on is read-only, and who connected before has to go.
close_database() {
  ask_database "$1" 'BEGIN READ WRITE; ALTER ROLE digits SET default_transaction_read_only = on; COMMIT' &&
    end_sessions "$1"
}

# open_database CONTAINER [SQL]: let answers in; SQL before that, in the same transaction.
open_database() {
  ask_database "$1" "BEGIN READ WRITE; ${2:-} ALTER ROLE digits RESET default_transaction_read_only; COMMIT"
}

# end_sessions CONTAINER: of everybody but the one that holds the log.
end_sessions() {
  local now left others="usename = 'digits' AND pid <> pg_backend_pid() AND application_name <> 'digits-move'"
  # Who was still logging in then is seen the next time.
  for _ in 1 2 3; do
    now=$(ask_database "$1" 'SELECT clock_timestamp()') || return
    # Some end by themselves before they are told to, which is as good: what counts is who is there afterwards.
    ask_database "$1" "SET client_min_messages = error;
      SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE $others" >/dev/null || return
    left=$(ask_database "$1" "SELECT count(*) FROM pg_stat_activity
      WHERE $others AND backend_start < '$now'") || return
    [ "$left" != 0 ] || return 0
  done
  return 1
}

# --- the rows ------------------------------------------------------------------------

# rows_of CONTAINER: every row, in one order and one form, whatever the server is set to.
rows_of() {
  docker exec --env PGTZ=UTC --env PGDATESTYLE=ISO "$1" psql --username=digits --dbname=digits --no-psqlrc --quiet \
    --set=ON_ERROR_STOP=1 --command "COPY (SELECT predicted_at, predicted_digit, true_label FROM predictions
      ORDER BY 1, 2, 3) TO STDOUT"
}

# put_rows CONTAINER: the rows of $moving.rows in the place of all that is there, in one transaction
# that closes the database, too: nobody writes into it before it serves.
put_rows() {
  # \q, since docker exec sometimes misses the end of its standard input, and would then wait for ever.
  {
    printf '%s\n' 'BEGIN READ WRITE;' 'ALTER ROLE digits SET default_transaction_read_only = on;'
    if [ -e "$moving.rows" ]; then
      printf '%s\n' 'TRUNCATE predictions;' \
        'COPY predictions (predicted_at, predicted_digit, true_label) FROM STDIN;'
      cat "$moving.rows"
      printf '%s\n' '\.'
    fi
    printf '%s\n' 'COMMIT;' '\q'
  } | timeout "$longest" docker exec --interactive --env PGTZ=UTC --env PGDATESTYLE=ISO "$1" psql --username=digits \
    --dbname=digits --no-psqlrc --quiet --set=ON_ERROR_STOP=1
}

# make_table CONTAINER: as app/digits/prediction_log.py does; the trial took its own back.
make_table() {
  ask_database "$1" "CREATE TABLE IF NOT EXISTS predictions (
    predicted_at    timestamptz NOT NULL,
    predicted_digit smallint    NOT NULL CHECK (predicted_digit BETWEEN 0 AND 9),
    true_label      smallint    NOT NULL CHECK (true_label BETWEEN 0 AND 9)
);
CREATE INDEX IF NOT EXISTS predictions_predicted_at ON predictions (predicted_at);"
}

# move_answers local|managed: from here on answers wait, until this script ends or the other one serves.
move_answers() {
  local to=$1 from source target source_name count
  from=$(serving_database)
  [ "$from" != "$to" ] || return 0
  source=$(container_of "$from") target=$(container_of "$to") source_name=$(in_words "$from")
  # It is held as well as closed: who was just connecting when it was closed may not know of that.
  hold_answers "$source" "$moving.why"
  close_database "$source" || stop "${source_name^} could not be closed for writing; why is above." "Run this again."
  count=$(count_of "$source") || stop "${source_name^} could not be read; why is above." "Run this again."
  say "Copying $(counted "${count:-0}")"
  rm -f "$moving.rows"
  [ -z "$count" ] || copy_rows "$source" "$target" "$count"
  put_rows "$target" || stop "The other database did not take the answers; why is above." "Mend it, and run this again."
  [ -z "$count" ] || [ "$(sha256sum <"$moving.rows")" = "$(rows_of "$target" | sha256sum)" ] ||
    stop "The two databases do not hold the same answers." "Run this again."
  end_sessions "$source" ||
    stop "Somebody is still connected to $source_name, and does not leave." "Run this again."
  say "Both hold the same $(counted "${count:-0}")"
}

# copy_rows SOURCE TARGET COUNT: into $moving.rows, and a table for them where there is none.
copy_rows() {
  local there
  rows_of "$1" >"$moving.rows" && [ "$(wc -l <"$moving.rows")" = "$3" ] ||
    stop "The answers were not read to their end; why is above." "Run this again."
  there=$(count_of "$2") || stop "The other database does not answer; why is above." "Run this again."
  [ -n "$there" ] || make_table "$2" || stop "The other database has no table for answers; why is above." \
    "Run this again."
}

# --- its end, forwards or back ----------------------------------------------------------

# settle_move: let answers into the database that serves now, and have its container as it belongs.
settle_move() {
  local serves at
  [ -e "$moving" ] || return 0
  let_go
  serves=$(serving_database)
  at=$(container_of "$serves")
  # A server that was not up yet is started by this, and one that is, stays as it is.
  if [ "$serves" = managed ]; then start_client || return; else up_database || return; fi
  open_database "$at" || return
  stop_client
  up_database || return
  rm -f "$moving.rows" "$moving.why" "$moving"
}
