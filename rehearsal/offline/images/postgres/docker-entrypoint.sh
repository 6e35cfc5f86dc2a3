#!/usr/bin/env bash
# The part of the real image's entrypoint that this project uses: on the first
# start it makes the cluster, its superuser and its database; every start ends
# in PostgreSQL itself as the user postgres.
set -euo pipefail

fail() {
  printf 'postgres stand-in: %s\n' "$*" >&2
  exit 1
}

# As the real image since 18: a volume that is mounted where 17 had it, or that holds another
# version's data, is not taken for an empty one.
refuse_other_data() {
  local found=() folder
  [[ $PGDATA == "/var/lib/postgresql/$PG_MAJOR/docker" ]] || return 0
  for folder in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/docker; do
    if [[ -s $folder/PG_VERSION ]]; then found+=("$folder"); fi
  done
  if [[ ${#found[@]} -eq 0 ]] && grep -q ' /var/lib/postgresql/data ' /proc/mounts; then
    found=('/var/lib/postgresql/data (unused mount/volume)')
  fi
  [[ ${#found[@]} -eq 0 ]] ||
    fail "in 18+, the data is in $PGDATA, on a volume at /var/lib/postgresql; there is PostgreSQL data in ${found[*]}"
}

make_cluster() {
  local user=${POSTGRES_USER:-postgres} password
  local database=${POSTGRES_DB:-$user}
  password=${POSTGRES_PASSWORD:-$(cat -- "${POSTGRES_PASSWORD_FILE:-/dev/null}")}
  if [[ -z $password ]]; then
    fail "there is no database yet and no password for its superuser; set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"
  fi

  # --pwfile takes a file, never the command line, where ps would show it.
  initdb --username="$user" --pwfile=<(printf '%s\n' "$password") \
    --auth-local=trust --auth-host=trust --encoding=UTF8 --data-checksums
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

  # Reachable by nobody else until it is complete.
  pg_ctl --silent --wait --options="-c listen_addresses=''" start
  local sql=(psql --no-password --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$user")
  if [[ $database != postgres ]]; then
    "${sql[@]}" --dbname postgres --set name="$database" <<<'CREATE DATABASE :"name";'
  fi
  local script
  for script in /docker-entrypoint-initdb.d/*.sql; do
    [[ ! -e $script ]] || "${sql[@]}" --dbname "$database" --file "$script"
  done
  pg_ctl --silent --wait --mode=fast stop
  printf 'PostgreSQL init process complete; ready for start up.\n'
}

if [[ ${1:-} == -* ]]; then
  set -- postgres "$@"
fi

if [[ ${1:-} == postgres ]]; then
  if [[ $(id -u) -eq 0 ]]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA" || true
    chmod 03775 /var/run/postgresql || true
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres:postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  mkdir -p "$PGDATA"
  chmod 00700 "$PGDATA" || true
  if [[ ! -s $PGDATA/PG_VERSION ]]; then
    refuse_other_data
    make_cluster
  fi
fi

exec "$@"
