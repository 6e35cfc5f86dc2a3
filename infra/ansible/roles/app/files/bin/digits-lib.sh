# Sourced by the digits-* commands: where things are, and how they speak.
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the commands that source this

folder=/opt/digits
log=$folder/releases.log                 # one line for each version that went into service: see served
settings=$folder/release.env             # the settings that docker compose reads for what serves
upstream=/etc/nginx/digits-upstream.conf # the ports that nginx sends visitors to
backups=/var/backups/digits
drain=${DRAIN:-5} # seconds at most that visitors get to leave an old container, before it is stopped
export COMPOSE_PROJECT_NAME=digits

# What the caller types behind a make command (" TARGET=rehearsal"), for messages that name one.
verb_suffix=${VERB_SUFFIX:-}

# say TEXT: progress. Fails once the ssh connection is gone; under set -e that ends the command.
say() { printf '%s\n' "$*"; }

# counted NUMBER: so many answers, in words.
counted() { if [ "$1" = 1 ]; then echo '1 answer'; else echo "$1 answers"; fi; }

# stop WHAT WHY NEXT...: on lines of their own, and end.
stop() {
  printf '%s\n' "$@" >&2
  exit 1
}

no_room() {
  stop "The droplet's disk is full." \
    "Nothing was changed. See what takes it, by make ssh$verb_suffix: du -xsh /var/* | sort -h"
}

# docker ARGS...: the docker command. It is killed when this shell ends (--pdeathsig), and does not
# inherit file descriptor 9, the release's lock, which would stay taken until docker ends too.
docker() { setpriv --pdeathsig KILL docker "$@" 9>&-; }

# compose ARGS...: docker compose, with the settings of the database, and of what serves, if there are
# any. DATABASE=local|managed before it: for another database than the one that serves.
compose() {
  local file files=()
  for file in "$database_settings" "$settings"; do
    [ ! -e "$file" ] || files+=(--env-file "$file")
  done
  [ "${DATABASE:-$(serving_database)}" = local ] ||
    files+=(--file "$folder/docker-compose.yml" --file "$folder/managed-database.yml")
  docker compose --project-directory "$folder" --env-file /etc/digits/site.env "${files[@]}" "$@"
}

# setting NAME: its value in release.env, or nothing.
setting() { [ ! -e "$settings" ] || sed -n "s/^$1=//p" "$settings"; }

# image_id IMAGE: the id of an image that is here; nothing, and a failure, if it is not.
image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# is_immutable IMAGE: whether the reference can only ever mean one image: a digest, or an image's id.
is_immutable() { [[ $1 == *@sha256:* || $1 == sha256:* ]]; }

# image_names_and_ids: a line for each image here: its tag, its digest, its id.
image_names_and_ids() {
  docker image ls --all --no-trunc --digests --format '{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}} {{.ID}}'
}

# images_here: the same, each tag, digest and id on a line of its own.
images_here() { image_names_and_ids | tr ' ' '\n'; }

# check_disk MB WHAT: end here if less than that is free.
check_disk() {
  local free
  free=$(df --output=avail --block-size=1M /var/lib/docker | tail -n 1)
  [ "$free" -ge "$1" ] ||
    stop "Only $free MB are free on the droplet's disk, and $2 needs $1." \
      "See what takes it: make ssh$verb_suffix, then: docker system df; du -xsh /var/*"
}

# received: the bytes that have come in over the network, by the interface of the default route.
received() {
  local interface
  interface=$(ip route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p;q')
  cat "/sys/class/net/$interface/statistics/rx_bytes"
}

# docker_pull IMAGE: pull it, and say every ten seconds how much has come: over a slow line it takes
# minutes. The caller's puller and docker_config: the process to kill if it leaves, and the login.
docker_pull() {
  local before config=() began=$SECONDS told=0
  before=$(received)
  [ -z "${docker_config:-}" ] || config=(--config "$docker_config")
  # setpriv directly: in the background, the function docker would run in a subshell, and it is
  # that subshell's end, not this script's, that would kill docker.
  setpriv --pdeathsig KILL docker "${config[@]}" pull --quiet "$1" 9>&- >/dev/null &
  puller=$!
  while kill -0 "$puller" 2>/dev/null; do
    sleep 0.2 9>&-
    [ $((SECONDS - began - told)) -ge 10 ] || continue
    told=$((SECONDS - began))
    say "  $told s, $((($(received) - before) / 1000000)) MB received"
  done
  local status=0
  wait "$puller" || status=$?
  puller=''
  return $status
}

# --- what served before --------------------------------------------------------

# served: the list of releases, oldest first. Six fields with tabs between: when, image, commit,
# by, the image's id, "release" or "rollback". Lines that an older version of these commands
# wrote end with "by": the image's name then stands for its id.
served() {
  [ ! -e "$log" ] || awk -F '\t' -v OFS='\t' '{ if ($5 == "") $5 = $2; if ($6 == "") $6 = "release"; print }' "$log"
}

# way_back: the lines of served that a rollback can still go back through, what serves last. Read
# as a stack: a release is put on top; a rollback takes off what is above the version it returned to.
way_back() {
  served | awk -F '\t' '
    $6 == "rollback" { for (i = top; i > 0; i--) if (id[i] == $5) { top = i; next } }
    { top++; id[top] = $5; line[top] = $0 }
    END { for (i = 1; i <= top; i++) print line[i] }'
}

# --- one at a time, and after one that was killed ---------------------------------

# holder: who has the lock, or had it when they were killed.
holder() {
  local who=''
  read -r who 2>/dev/null <"$folder/lock.holder" || :
  printf '%s' "${who:-somebody}"
}

# killed_one: what was killed, and whose it was.
killed_one() {
  local who
  who=$(holder)
  case $who in
  *", for a rollback, "*) printf 'The rollback by %s' "${who/, for a rollback/}" ;;
  *) printf 'The release by %s' "$who" ;;
  esac
}

other_release() { printf 'Another release is running: %s.' "$(holder)"; }

# was_killed: whether a release or an upgrade left something to settle, if none runs now.
was_killed() { [ -s "$folder/lock.holder" ] || [ -e "$upgrade" ] || [ -e "$moving" ]; }

# take_lock WHO SECONDS: be the only one; wait as long for another release.
take_lock() {
  exec 9>>"$folder/lock"
  # A file lock: the kernel releases it when this process ends, even if it is killed.
  if ! flock --nonblock 9; then
    [ "$2" = 0 ] || say "$(other_release) Waiting for it, $2 s at most."
    flock --timeout "$2" 9 || stop "$(other_release)" \
      "Wait until it is done (make releases$verb_suffix shows it), then run this one again."
  fi
  if was_killed; then
    say "$(killed_one) was killed; taking over and clearing up after it."
    settle
  fi
  printf '%s, since %s\n' "$1" "$(date --utc '+%F %T UTC')" >"$folder/lock.holder"
}

# is_busy: whether a release runs now.
is_busy() { [ -e "$folder/lock" ] && ! flock --nonblock "$folder/lock" true; }

# commit_release: the switch was made, so note what serves now. If it is killed on its way,
# running it again completes it.
commit_release() {
  if [ -e "$log.new" ]; then
    [ "$(tail -n 1 "$log" 2>/dev/null)" = "$(cat "$log.new")" ] || cat "$log.new" >>"$log"
    rm "$log.new"
  fi
  mv "$settings.new" "$settings"
  # The others of several droplets may ask (roles/fleet).
  ! command -v digits-join >/dev/null || digits-join note || :
}

# settle: clean up after a release that was killed; the caller holds the lock. The ports in nginx's
# file decide: if all of them are the new set's, the release is completed, else it is undone.
settle() {
  if [ -e "$settings.new" ]; then
    if [ -n "$(serving_containers)" ] && all_are_of "$(sed -n 's/^APP_PORT=//p' "$settings.new")"; then
      commit_release
    else
      take_back
    fi
  fi
  if nginx -t -q; then reload_nginx; fi # the release may have been killed before it did
  name_what_serves "$(serving_containers | sed -n 1p)"
  retire_others
  complete_set
  { settle_upgrade && settle_move; } ||
    say "The database could not be brought back yet; why is in $folder/start.log. It is tried again." >&2
  say_outcome >&2
  rm -f "$folder/lock.holder"
}

# say_outcome: of the release that was killed. The list of releases was written after the lock was
# taken if it had sent visitors to the other version.
say_outcome() {
  [[ -s $folder/lock.holder && $(holder) != *", for the database, "* ]] || return 0
  if [ "$log" -nt "$folder/lock.holder" ]; then
    say "It is completed: $(setting APP_IMAGE) serves."
  elif [ -s "$log" ]; then
    say "It is taken back: $(setting APP_IMAGE) still serves."
  else
    say "It is taken back: nothing serves yet."
  fi
}

# tidy: settle, if a release was killed and no other one is running.
tidy() {
  was_killed || return 0
  exec 9>>"$folder/lock"
  if flock --nonblock 9; then
    say "$(killed_one) was killed; clearing up after it." >&2
    settle
  fi
  exec 9>&-
}

# name_what_serves CONTAINER: give its image its tag back. A release that failed or was killed may
# have pulled another image under the same tag.
name_what_serves() {
  local name id
  [ -n "$1" ] || return 0
  read -r name id < <(docker container inspect --format '{{.Config.Image}} {{.Image}}' "$1")
  case $name in
  *@sha256:* | sha256:*) ;;
  *) [ "$(image_id "$name")" = "$id" ] || docker tag "$id" "$name" || : ;;
  esac
}

# reload_nginx: have it read the port anew. It starts new worker processes; the old ones take no new
# connection, and end when the last one that they have is closed.
old_workers=''
reload_nginx() {
  old_workers=$(pgrep --full '^nginx: worker process' 2>/dev/null) || :
  systemctl reload nginx
}

# wait_for_old_workers: until they have ended: then nobody is at an old container any more. An open
# page is a connection that stays, so the wait has an end.
wait_for_old_workers() {
  local deadline=$((SECONDS + drain))
  # shellcheck disable=SC2086 # a list of process ids; kill -0 asks whether any of them is there
  while [ -n "$old_workers" ] && kill -0 $old_workers 2>/dev/null && [ $SECONDS -le $deadline ]; do
    sleep 0.2 9>&-
  done
}

# retire CONTAINER...: give visitors time to leave them, then stop and remove them.
retire() {
  local id running=()
  for id in "$@"; do
    [ "$(docker container inspect --format '{{.State.Status}}' "$id")" != running ] || running+=("$id")
  done
  if [ ${#running[@]} -gt 0 ]; then
    wait_for_old_workers
    docker stop --time 10 "${running[@]}" >/dev/null
  fi
  docker rm --force --volumes "$@" >/dev/null
}

# shellcheck source=infra/ansible/roles/app/files/bin/digits-processes.sh
. /usr/local/lib/digits/digits-processes.sh
# shellcheck source=infra/ansible/roles/app/files/bin/digits-database.sh
. /usr/local/lib/digits/digits-database.sh
# shellcheck source=infra/ansible/roles/app/files/bin/digits-move.sh
. /usr/local/lib/digits/digits-move.sh
