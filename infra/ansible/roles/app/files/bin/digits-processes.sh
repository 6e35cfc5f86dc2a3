# Sourced by digits-lib.sh: the app's processes, each a container of its own, published on a port of its own.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # used by the commands that source this, or set by digits-lib.sh
#
# The processes of one version are a set. Two sets take turns, so that a new one can start beside the
# one that serves: on the ports 8501, 8503, 8505, ... and on 8502, 8504, 8506, ...

# How many processes a release puts into service: docs/growing.md says who decides.
processes=$(sed -n 's/^APP_PROCESSES=//p' /etc/digits/site.env 2>/dev/null || :)
processes=${processes:-1}
process_mb=${PROCESS_MB:-450} # of memory that one may hold
database_connections=90       # of PostgreSQL's 100, for all processes of both sets
each=$((database_connections / (2 * processes)))
# Of the managed one's, which other droplets use, too, Ansible says how many a process may have.
shared=$(sed -n 's/^DATABASE_CONNECTIONS=//p' /etc/digits/site.env 2>/dev/null || :)
each=${shared:-$each}
export DATABASE_CONNECTIONS=$((each < 8 ? each : 8))

# ports_of FIRST COUNT: the ports of a set, one a line.
ports_of() { seq "$1" 2 $(($1 + 2 * ($2 - 1))); }

# serving_ports: the ports that nginx sends visitors to, one a line; none before the first release.
serving_ports() { [ ! -e "$upstream" ] || sed -n 's/^server 127\.0\.0\.1:\([0-9]*\);$/\1/p' "$upstream"; }

# app_containers: the ids of all of the app's containers, running or not.
app_containers() {
  docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project=digits \
    --filter label=com.docker.compose.service=app
}

# container_on PORT: the app's container that is published there, running or not.
container_on() {
  local id ports
  for id in $(app_containers); do
    ports=$(docker container inspect --format '{{json .HostConfig.PortBindings}}' "$id")
    [[ $ports != *"\"HostPort\":\"$1\""* ]] || printf '%s\n' "$id"
  done
}

# serving_containers: the containers on the ports that serve, one a line, in the ports' order.
serving_containers() {
  local port
  for port in $(serving_ports); do container_on "$port"; done
}

# is_of FIRST PORT: whether the port is one of the set that begins with FIRST.
is_of() { [ $((($2 - $1) % 2)) = 0 ]; }

# all_are_of FIRST: whether every port that serves is of that set.
all_are_of() {
  local port
  for port in $(serving_ports); do is_of "$1" "$port" || return 1; done
}

# is_between_sets: whether ports of both sets serve: a release that goes one by one is under way, or was killed.
is_between_sets() {
  local first
  first=$(serving_ports | sed -n 1p)
  [ -n "$first" ] && ! all_are_of "$first"
}

# send_visitors_to PORT...: write them into nginx's file, in one step; nginx reads it when it is reloaded.
send_visitors_to() {
  printf 'server 127.0.0.1:%s;\n' "$@" >"$upstream.new"
  mv "$upstream.new" "$upstream"
}

# start_on PORT IMAGE: start a process beside those that there are. What Docker says goes to start.log.
start_on() {
  # Compose prefers these variables to release.env, which is about what serves.
  APP_IMAGE=$2 APP_PORT=$1 compose up --detach --no-recreate --no-build \
    --scale "app=$(($(app_containers | wc -l) + 1))" app >"$folder/start.log" 2>&1
}

# --- whether one is well --------------------------------------------------------

# read_health_check CONTAINER: the words of its image's HEALTHCHECK into the array health_check,
# after CMD (a command) or CMD-SHELL (a line for the shell).
read_health_check() {
  mapfile -t health_check < <(docker container inspect --format \
    '{{with .Config.Healthcheck}}{{range $n, $word := .Test}}{{if $n}}{{"\n"}}{{end}}{{$word}}{{end}}{{end}}' "$1")
}

has_health_check() { read_health_check "$1" && [[ ${health_check[0]:-} == CMD* ]]; }

# passes_health_check CONTAINER: run its image's HEALTHCHECK in it, now. Docker asks only every five
# seconds (app/Dockerfile), and a release does not wait for Docker's next turn.
passes_health_check() {
  read_health_check "$1"
  case ${health_check[0]} in
  CMD) health_check=("${health_check[@]:1}") ;;
  CMD-SHELL) health_check=(sh -c "${health_check[1]}") ;;
  esac
  timeout 10 docker exec "$1" "${health_check[@]}" >/dev/null 2>&1 9>&-
}

# --- a release that went one by one, and did not get to its end ---------------------

# take_back: visitors go back to the processes that are left of the version before.
take_back() {
  local port first left=()
  first=$(sed -n 's/^APP_PORT=//p' "$settings.new")
  for port in $(serving_ports); do is_of "$first" "$port" || left+=("$port"); done
  # All are, if their containers are gone; then there is nothing to go back to.
  [ ${#left[@]} = 0 ] || [ "$(printf '%s\n' "${left[@]}")" = "$(serving_ports)" ] || send_visitors_to "${left[@]}"
  rm -f "$settings.new" "$log.new"
}

# retire_others: the app's containers that do not serve.
retire_others() {
  local spare
  mapfile -t spare < <(app_containers | grep -vxF -f <(serving_containers || :))
  [ ${#spare[@]} = 0 ] || retire "${spare[@]}"
}

# go_back: undo a release that went one by one, in its middle.
go_back() {
  say "Going back to what served: $(setting APP_IMAGE)" >&2
  take_back
  reload_nginx
  retire_others
  complete_set
}

# complete_set: start again what a release had already replaced of the version that serves.
complete_set() {
  local port ports image count id tries
  mapfile -t ports < <(serving_ports)
  image=$(setting APP_IMAGE)
  count=$(setting APP_PROCESSES)
  [ ${#ports[@]} -gt 0 ] && [ ${#ports[@]} -lt "${count:-1}" ] || return 0
  say "Starting what was already replaced of $image again"
  for port in $(ports_of "$(setting APP_PORT)" "$count"); do
    [[ " ${ports[*]} " != *" $port "* ]] || continue
    id=''
    if start_on "$port" "$image" && id=$(container_on "$port") && [ -n "$id" ] && gets_well "$id"; then
      ports+=("$port")
    else
      say "One could not be started again, so ${#ports[@]} of $count processes serve. To put it right: \
make deploy$verb_suffix" >&2
      [ -z "$id" ] || docker rm --force --volumes "$id" >/dev/null
      break
    fi
  done
  mapfile -t ports < <(printf '%s\n' "${ports[@]}" | sort --numeric-sort)
  send_visitors_to "${ports[@]}"
  if nginx -t -q; then reload_nginx; fi
}

# gets_well CONTAINER: wait a minute for its health check to succeed.
gets_well() {
  local deadline=$((SECONDS + 60))
  has_health_check "$1" || return 0
  until passes_health_check "$1"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.5 9>&-
  done
}
