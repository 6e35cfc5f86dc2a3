# Sourced by the digits-* commands: where things are, and how they speak.
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the commands that source this

folder=/opt/digits
log=$folder/releases.log                  # what went into service: see served below
settings=$folder/release.env              # what docker compose is told of what serves
upstream=/etc/nginx/digits-upstream.conf  # the port that visitors reach: who serves
backups=/var/backups/digits
drain=${DRAIN:-5}                         # seconds for requests that a container is answering
export COMPOSE_PROJECT_NAME=digits

# The ending of a make command that is named to be typed next: set by whoever calls from a laptop.
verb_suffix=${VERB_SUFFIX:-}

# say TEXT: progress. Fails when nobody listens any more; the caller decides what that means.
say() { printf '%s\n' "$*"; }

# stop WHAT WHY NEXT...: on lines of their own, and end.
stop() {
  printf '%s\n' "$@" >&2
  exit 1
}

# docker ARGS...: Docker, which ends with the command that called it, and never keeps its lock.
docker() { setpriv --pdeathsig KILL docker "$@" 9>&-; }

# compose ARGS...: Docker compose with the settings that are in service, if any are.
compose() {
  local file=$settings
  [ -e "$file" ] || file=/dev/null
  docker compose --project-directory "$folder" --env-file "$file" "$@"
}

# setting NAME: its value in release.env, or nothing.
setting() { [ ! -e "$settings" ] || sed -n "s/^$1=//p" "$settings"; }

serving_port() { [ ! -e "$upstream" ] || sed -n 's/^server 127\.0\.0\.1:\([0-9]*\);$/\1/p' "$upstream"; }

# app_containers: the ids of all of the app's containers, running or not.
app_containers() {
  docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project=digits --filter label=com.docker.compose.service=app
}

# container_on PORT: the app's container that is published there, running or not.
container_on() {
  local id
  for id in $(app_containers); do
    [[ $(docker container inspect --format '{{json .HostConfig.PortBindings}}' "$id") != *"\"HostPort\":\"$1\""* ]] || printf '%s\n' "$id"
  done
}

database() { docker ps --quiet --filter label=com.docker.compose.project=digits --filter label=com.docker.compose.service=db; }

# image_id IMAGE: the id of an image that is here; nothing, and a failure, if it is not.
image_id() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# images_here: every name and every id that means an image on this machine, a line each.
images_here() {
  docker image ls --all --no-trunc --digests --format '{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}} {{.ID}}' | tr ' ' '\n'
}

# --- what served before --------------------------------------------------------

# served: a line for each time a version went into service, oldest first, tabs between:
# when, image, commit, by, the image's id, "release" or "rollback". Lines of an older
# deployment end with "by"; the name is then all there is to tell images apart.
served() {
  [ ! -e "$log" ] || awk -F '\t' -v OFS='\t' '{ if ($5 == "") $5 = $2; if ($6 == "") $6 = "release"; print }' "$log"
}

# way_back: of these, what a rollback would go through, what serves last. A release
# goes on top; a rollback takes off all above the version that it went back to.
way_back() {
  served | awk -F '\t' '
    $6 == "rollback" { for (i = top; i > 0; i--) if (id[i] == $5) { top = i; next } }
    { top++; id[top] = $5; line[top] = $0 }
    END { for (i = 1; i <= top; i++) print line[i] }'
}

# --- after a command that was killed --------------------------------------------

# is_busy: whether a release runs now.
is_busy() { [ -e "$folder/lock" ] && ! flock --nonblock "$folder/lock" true; }

# commit_release: note what nginx sends visitors to now. Safe to repeat from any point.
commit_release() {
  if [ -e "$log.new" ]; then
    [ "$(tail -n 1 "$log" 2>/dev/null)" = "$(cat "$log.new")" ] || cat "$log.new" >>"$log"
    rm "$log.new"
  fi
  mv "$settings.new" "$settings"
}

# settle: with the lock held, bring what a killed release left to its end, or take it back.
# Its moment of truth is the port in nginx's file: what stands there serves.
settle() {
  local port serving id
  port=$(serving_port)
  serving=$(container_on "${port:-none}")
  if [ -e "$settings.new" ]; then
    if [ -n "$serving" ] && [ "$(sed -n 's/^APP_PORT=//p' "$settings.new")" = "$port" ]; then
      commit_release
    else
      rm -f "$settings.new" "$log.new"
    fi
  fi
  if nginx -t -q; then systemctl reload nginx; fi # it may have been killed before this
  name_what_serves "$serving"
  for id in $(app_containers); do
    [ "$id" = "$serving" ] || retire "$id"
  done
  rm -f "$folder/lock.holder"
}

# tidy: settle, if a release was killed and none runs now.
tidy() {
  [ -s "$folder/lock.holder" ] || return 0
  exec 9>>"$folder/lock"
  if flock --nonblock 9; then
    say "The release by $(cat "$folder/lock.holder") was killed; clearing up after it." >&2
    settle
  fi
  exec 9>&-
}

# name_what_serves CONTAINER: a tag that was pulled anew for a version that did not make it
# means again what is in service under this name.
name_what_serves() {
  local name id
  [ -n "$1" ] || return 0
  read -r name id < <(docker container inspect --format '{{.Config.Image}} {{.Image}}' "$1")
  case $name in
  *@sha256:* | sha256:*) ;;
  *) [ "$(image_id "$name")" = "$id" ] || docker tag "$id" "$name" || : ;;
  esac
}

# retire CONTAINER: let it answer what it has begun, then remove it.
retire() {
  if [ "$(docker container inspect --format '{{.State.Status}}' "$1")" = running ]; then
    sleep "$drain" 9>&-
    docker stop --time 10 "$1" >/dev/null
  fi
  docker rm --force --volumes "$1" >/dev/null
}
