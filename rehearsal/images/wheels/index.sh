#!/bin/sh
# Serves the wheels under /folders as one page of links, which is what pip's
# find-links asks for, until standard input ends.
set -eu

page=$(mktemp -d)
for wheel in /folders/*/*.whl; do
    ln -sf "$wheel" "$page/"
done
python3 -m http.server --directory "$page" 8000 2>/dev/null &
cat >/dev/null
kill $!
