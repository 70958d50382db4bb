#!/usr/bin/env bash
# Usage: tests/browser/run.sh TEST      (runs, ends, look, touch, compare, compare_figures)
#
# Runs test_TEST.mjs with Chromium; what it needs of npm is put beside it, at the versions of package-lock.json. Where
# there is no Chromium, Node.js or npm, or no registry, it says so and counts as skipped.
set -eu
cd "$(dirname "$0")"

skip() {
    echo "skipped: $1"
    echo "# skipped 1"
    exit 0
}

for program in node npm "${TILERY_CHROMIUM:-chromium}"; do
    command -v "$program" >/dev/null || skip "there is no $program"
done
exec 9>.lock
flock 9
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
    npm ci --ignore-scripts --no-audit --no-fund 2>&1 || skip "npm could not get what package-lock.json names"
    touch node_modules/.package-lock.json
fi
flock -u 9
exec node --test-reporter=tap "test_$1.mjs"
