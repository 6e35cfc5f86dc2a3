#!/bin/sh
# Lays the wheels under /folders out as a package index (one folder a package,
# its name normalised as pip asks for it) and serves it.
set -eu

index=$(mktemp -d)
for wheel in /folders/*/*.whl; do
    file=${wheel##*/}
    package=$(printf '%s' "${file%%-*}" | tr '[:upper:]_.' '[:lower:]--')
    mkdir -p "$index/$package"
    ln -sf "$wheel" "$index/$package/$file"
done
# Every package that is not here is a 404 and nothing to report.
exec python3 -m http.server --directory "$index" 8000 2>/dev/null
