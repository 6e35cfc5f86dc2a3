# Sourced by the digits-* commands: where things are, and how they speak.
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the commands that source this

folder=/opt/digits
log=$folder/releases.log                  # when, image, commit, by: one line a release
upstream=/etc/nginx/digits-upstream.conf  # the port that visitors reach: who serves
backups=/var/backups/digits
export COMPOSE_PROJECT_NAME=digits

# say TEXT: progress. Fails when nobody listens any more; the caller decides what that means.
say() { printf '%s\n' "$*"; }

# stop WHAT WHY NEXT...: on lines of their own, and end.
stop() {
  printf '%s\n' "$@" >&2
  exit 1
}

# compose ARGS...: Docker compose with the settings that are in service.
compose() {
  docker compose --project-directory "$folder" --env-file "$folder/release.env" "$@"
}

# setting NAME: its value in release.env, or nothing.
setting() { [ ! -e "$folder/release.env" ] || sed -n "s/^$1=//p" "$folder/release.env"; }

serving_port() { [ ! -e "$upstream" ] || sed -n 's/^server 127\.0\.0\.1:\([0-9]*\);$/\1/p' "$upstream"; }

# container_on PORT: the app's container that is published there, running or not.
container_on() {
  local id
  for id in $(docker ps --all --quiet --filter label=com.docker.compose.project=digits --filter label=com.docker.compose.service=app); do
    if docker container inspect --format '{{json .HostConfig.PortBindings}}' "$id" | grep -q "\"HostPort\":\"$1\""; then
      printf '%s\n' "$id"
    fi
  done
}

database() { docker ps --quiet --filter label=com.docker.compose.project=digits --filter label=com.docker.compose.service=db; }
