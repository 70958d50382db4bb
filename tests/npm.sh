#!/usr/bin/env bash
# Usage: tests/npm.sh TEST.mjs
#
# Runs a test with Node.js; what it needs of npm is put beside it, at the versions of its package-lock.json. Where there is no
# Node.js or npm, or no registry, it says so and counts as skipped.
set -eu
cd "$(dirname "$1")"

skip() {
    printf 'skipped: %s\n# skipped 1\n' "$1"
    exit 0
}

for program in node npm; do
    command -v "$program" >/dev/null || skip "there is no $program"
done
exec 9>.lock
flock 9
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund 2>&1 || skip "npm could not get what package-lock.json names"
    touch node_modules/.package-lock.json
fi
flock -u 9
exec node --test-reporter=tap "${1##*/}"
