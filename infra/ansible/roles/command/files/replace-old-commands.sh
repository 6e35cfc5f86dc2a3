#!/bin/bash
# Replace the bash commands of the version before: wait until none runs, and let it recover what was killed.
set -euo pipefail
exec 9>>/opt/digits/lock
flock --timeout 900 9 || {
  echo "A release is running. Wait until it is done, then run this again." >&2
  exit 1
}
exec 9>&-
digits-status >/dev/null 2>&1 || :
systemctl disable --quiet --now digits-watch.timer digits-watch.service || :
cd /usr/local/sbin
# What pipelines of the version before call; the others are called by nothing but this droplet.
for name in release rollback releases status backup restore upgrade-database; do
  ln --symbolic --force --no-target-directory digits digits-$name
done
rm --force digits-home digits-trouble digits-watch digits-certificate digits-join digits-copies
rm --force /etc/systemd/system/digits-{watch.service,watch.timer,trouble@.service,well@.service}
systemctl daemon-reload
rm --force /etc/nginx/conf.d/digits.conf # nginx is configured by other files now
rm --recursive --force /usr/local/lib/digits
