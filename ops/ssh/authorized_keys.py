"""Which SSH keys a droplet accepts for root."""

from __future__ import annotations

import shlex

from ops.ssh.connection import Host

# The key comes over stdin, and replaces the lines that match.
_ADD = """set -e
umask 077
read -r key
keys=/root/.ssh/authorized_keys
others=$(grep -v {replaced} $keys || :)
case "$others" in *"$(echo "$key" | cut -d ' ' -f 2)"*) exit ;; esac
printf '%s\\n' "$others" "$key" | sed '/^$/d' >$keys.new
if ! cmp -s $keys $keys.new; then
  grep -q {replaced} $keys && echo replaced || echo added
fi
mv $keys.new $keys
"""


def add(host: Host, public_key: str, comment: str = "") -> str:
    """Let a key in; "added", or "replaced" one with this comment, or "" if it was there already.

    Raises Failed.
    """
    replaced = shlex.quote(f" {comment}$" if comment else "^$")
    key = " ".join([*public_key.split()[:2], comment]) if comment else public_key
    return host.must(_ADD.format(replaced=replaced), stdin=f"{key}\n".encode()).strip()


def read(host: Host) -> list[list[str]]:
    """The words of each line: the kind of key, the key, its comment. Raises Unreachable."""
    lines = host.ask("cat /root/.ssh/authorized_keys").splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#")]
