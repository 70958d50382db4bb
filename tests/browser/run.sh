#!/usr/bin/env bash
# Usage: tests/browser/run.sh TEST
#
# TEST: runs, ends, silence, leave, look, aloud, states, touch, compare, compare_figures or screenshot.
#
# Runs test_TEST.mjs with Chromium, as tests/npm.sh does. Where there is no Chromium it says so and counts as skipped.
set -eu
cd "$(dirname "$0")"
chromium=${TILERY_CHROMIUM:-chromium}
if ! command -v "$chromium" >/dev/null; then
    printf 'skipped: there is no %s\n# skipped 1\n' "$chromium"
    exit 0
fi
exec ../npm.sh "$PWD/test_$1.mjs"
