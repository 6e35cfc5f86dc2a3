# shellcheck shell=bash
# What the scripts in this folder share: how they speak, and what this machine's
# own apt configuration says. Sourced, never run.

say() { printf 'images: %s\n' "$*"; }

# die WHAT-HAPPENED WHAT-IT-MEANS NEXT-STEP
die() {
    printf 'images: %s\n        %s\n        Next: %s\n' "$1" "$2" "$3" >&2
    exit 1
}

# apt_site PATTERN: the address this machine's apt uses for the first Debian
# suite whose name matches PATTERN. apt itself reads its sources, so the
# one-line and the deb822 format are one to us.
apt_site() {
    local site
    # $(SITE) and $(RELEASE) are for apt-get to fill in.
    # shellcheck disable=SC2016
    site=$(apt-get indextargets 'Created-By: Packages' \
        --format '$(SITE) $(RELEASE) $(COMPONENT)' |
        awk -v pattern="$1" '$3 == "main" && $2 ~ pattern { print $1; exit }')
    # A cloud image may name a list of mirrors instead: take the first of them.
    if [[ $site == mirror+file:* ]]; then
        site=$(awk '!/^#/ && NF { print $1; exit }' "${site#mirror+file:}")
    fi
    printf '%s' "${site%/}"
}

# debian_sources SUITE: one-line apt sources for that Debian release on the
# mirrors this machine uses.
debian_sources() {
    local suite=$1 host_suite main security
    if ! command -v apt-get >/dev/null; then
        die "this machine has no apt" \
            "stand-in images are made from Debian packages, so they need a Debian machine" \
            "make Docker Hub reachable, so that the real images are pulled (try: docker pull python:3.11-slim-bookworm)"
    fi
    # shellcheck source=/dev/null
    host_suite=$(. /etc/os-release && [[ $ID == debian ]] && printf '%s' "${VERSION_CODENAME:-}")
    main=$(apt_site "^(${host_suite:-none}|stable)\$")
    security=$(apt_site '-security$')
    if [[ -z $main ]]; then
        die "this machine's apt configuration names no Debian mirror" \
            "stand-in images are made from Debian packages, so they need a Debian machine" \
            "make Docker Hub reachable, so that the real images are pulled (try: docker pull python:3.11-slim-bookworm)"
    fi
    printf 'deb %s %s main\ndeb %s %s-updates main\n' "$main" "$suite" "$main" "$suite"
    if [[ -n $security ]]; then
        printf 'deb %s %s-security main\n' "$security" "$suite"
    fi
}

# apt_settings: what this machine's apt needs to reach its mirrors (proxies,
# dates of a frozen mirror); another apt on this machine needs the same.
apt_settings() {
    apt-config dump |
        grep -E '^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date|ForceIPv4)' || true
}

# host_certificates: the CA certificates added to this machine by hand.
host_certificates() {
    find /usr/local/share/ca-certificates -name '*.crt' 2>/dev/null | LC_ALL=C sort
}

# docker_gateway: the address at which containers on Docker's default bridge
# find this machine. Docker leaves it out of its answer where nobody chose one;
# it is the first of the subnet then.
docker_gateway() {
    local gateway subnet
    read -r subnet gateway < <(docker network inspect bridge \
        --format '{{with index .IPAM.Config 0}}{{.Subnet}} {{.Gateway}}{{end}}')
    printf '%s' "${gateway:-${subnet%.*}.1}"
}
