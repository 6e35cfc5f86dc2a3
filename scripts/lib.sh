# Sourced by the scripts: how they speak and what they check for.
# shellcheck shell=bash

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  plain='' bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' reset=$'\e[0m'
else
  bold='' red='' green='' reset=''
  plain=-no-color # for Terraform, which colours files and pipes too
fi

# What the Makefile wants behind a verb that is named to be typed next.
VERB_SUFFIX=${VERB_SUFFIX:-}

# die MESSAGE...: each argument is a line; the last one is what to do next.
die() {
  printf '%s%s%s\n' "$red" "$1" "$reset" >&2
  shift
  [ $# -eq 0 ] || printf '%s\n' "$@" >&2
  exit 1
}

# phase TITLE: a headline, with the seconds since the verb began. SECONDS is bash's own clock;
# a verb that calls another one hands it on as BEGAN.
SECONDS=${BEGAN:-0}
phase() { printf '\n%s==> %s%s  (%d s)\n' "$bold" "$1" "$reset" "$SECONDS"; }

# done_with TITLE: the closing line of a phase or a verb.
done_with() { printf '%s%s%s\n' "$green" "$1" "$reset"; }

# box LINE...: what a long verb ends with, so that it is found again in the scrollback.
box() {
  local line width=0 rule
  for line in "$@"; do [ ${#line} -le "$width" ] || width=${#line}; done
  rule=$(printf '%*s' $((width + 2)) '')
  printf '%s+%s+%s\n' "$green" "${rule// /-}" "$reset"
  for line in "$@"; do printf '%s|%s %-*s %s|%s\n' "$green" "$reset" "$width" "$line" "$green" "$reset"; done
  printf '%s+%s+%s\n' "$green" "${rule// /-}" "$reset"
}

# need_tool COMMAND WHERE_TO_GET_IT
need_tool() {
  command -v "$1" >/dev/null || die "$1 is not installed, and this needs it." "Get it: $2"
}

# need_packages COMMAND=PACKAGE...: Debian packages; root gets them installed, anybody else told.
need_packages() {
  local pair missing=()
  for pair in "$@"; do command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "Not installed, and this needs it: ${missing[*]}." "Install it: sudo apt-get install ${missing[*]}"
  fi
  echo "Installing Debian packages: ${missing[*]} ..."
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install them; its reason is above." "Mend it, then run the same command again."
}

need_docker() {
  need_tool docker "sudo apt-get install docker.io, or https://docs.docker.com/engine/install/"
  docker info >/dev/null 2>&1 || die "Docker is installed, but its engine does not answer." \
    "Start it (sudo systemctl start docker), or let yourself use it: sudo usermod -aG docker \$USER, then log in again."
  docker compose version >/dev/null 2>&1 || die "Docker's compose plugin is missing." \
    "Get it: sudo apt-get install docker-compose (Debian 13) or docker-compose-v2 (Ubuntu); rehearsal/images/docker-plugins (Debian 12)"
}

need_terraform() { need_tool terraform "https://developer.hashicorp.com/terraform/install"; }

# own_runtime_folder: where there is no login session, a folder of this user's own for locks and
# sockets; without one the embedded PostgreSQL takes a lock file in /tmp that belongs to whoever
# came first.
own_runtime_folder() {
  export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}/digits-$(id -u)}
  (umask 077 && mkdir -p "$XDG_RUNTIME_DIR/python_PostgresServer")
}

# The environment that Ansible and the API scripts run in.
use_ops_environment() {
  scripts/venv ops
  PATH=$PWD/.venv/ops/bin:$PATH
  export PATH ANSIBLE_CONFIG=$PWD/infra/ansible/ansible.cfg
}

# The environment that the tests run in: the app's, and what drives it.
use_test_environment() {
  own_runtime_folder
  scripts/venv test
}

# terraform_in ARGS...: Terraform on this project's configuration.
terraform_in() {
  local verb=$1
  shift
  terraform -chdir=infra/terraform "$verb" ${plain:+"$plain"} "$@"
}

# terraform_init: the provider fetched; of what Terraform says, what it does.
terraform_init() { terraform_in init -input=false | sed -n '/^- /p'; }

# briefly: a Terraform plan without the attributes of what is new: those are infra/terraform's.
briefly() {
  awk '/ will be created/ { print; new = 1; next }
    !new { print }
    new && /^    }/ { new = 0 }'
}

# droplet_ip: the address of this deployment's droplet, by the rule of infra/ansible/deployment.py.
# A caller that means one droplet and no other exports DROPLET_IP.
droplet_ip() {
  local ip=${DROPLET_IP:-}
  [ -n "$ip" ] || ip=$(python infra/ansible/deployment.py ip) || exit 1
  [ -n "$ip" ] || die "No droplet carries the deployment's tag." "Make one: make deploy$VERB_SUFFIX"
  printf '%s' "$ip"
}

# who_releases: the name that goes into the list of releases.
who_releases() { printf '%s' "${RELEASED_BY:-$(git config user.name || id --user --name)@$(hostname)}"; }

# forget_host IP: another machine may get this address, with another host key.
forget_host() {
  local known_hosts=${SSH_KNOWN_HOSTS:-infra/ansible/known_hosts}
  [ ! -e "$known_hosts" ] || ssh-keygen -q -R "$1" -f "$known_hosts" >/dev/null 2>&1 || true
}

# can_back_up: whether the answers logged on the droplet at DROPLET_IP can be saved before it
# goes. If not, it says why.
can_back_up() {
  local answer=0
  if [ "${BACKUP:-}" = no ]; then
    echo "No backup is made: BACKUP=no."
    return 1
  fi
  if [ -z "${DROPLET_IP:-}" ]; then
    echo "NO BACKUP can be made of a droplet that has no address yet."
    return 1
  fi
  python infra/ansible/reach.py || answer=$?
  case $answer in
  0) ;;
  1) echo "NO BACKUP can be made of a droplet that does not answer." && return 1 ;;
  *) die "Whether there is anything to back up could not be asked, so nothing was removed." \
    "What failed is above; run the same command again." ;;
  esac
}

# lose_answers: end here, unless it was said beforehand that they may be lost.
lose_answers() {
  [ "${BACKUP:-}" = no ] || die "Without a backup the answers would be lost, so nothing was removed." \
    "See why the droplet does not answer: make doctor$VERB_SUFFIX. To go on and lose them: the same command with BACKUP=no"
}

# last_backup: save them; without that, nothing is removed.
last_backup() {
  local status=0
  scripts/backup || status=$?
  # 4: no database has been made yet.
  [ $status = 0 ] || [ $status = 4 ] || die "The last backup failed, so nothing was removed." \
    "What failed is above. To go on without it, and lose the answers: the same command with BACKUP=no"
}
