#!/usr/bin/env bash
# Usage: tests/suite.sh [CTEST-OPTION...]
#
# Runs the release preset's tests, which are built, or those of them that the options choose, three programs side by side, as
# they wait a lot (--parallel 1: one after the other); shows what failed, then why which were skipped, and ends with the line
# "N passed, N failed", and ", N skipped" where some were. A program that fails is run once more: what passes then is named,
# and counts as passed. Everything is in build/tests.log. The exit status is 0 when something ran and nothing failed.
set -eu
cd "$(dirname "$0")/.."
[ "${1:-}" != --help ] || { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' tests/suite.sh && exit 0; }
log=build/tests.log

status=0
# What a script has in its background is deaf to INT and QUIT, which tests send.
env --default-signal=INT,QUIT ctest --preset release --verbose --parallel 3 --repeat until-pass:2 "$@" >"$log" 2>&1 || status=$?
summary=$(awk -f tests/suite.awk "$log")
read -r passed failed skipped <<<"${summary##*$'\n'}"
[ "$summary" = "${summary##*$'\n'}" ] || printf '%s\n' "${summary%$'\n'*}"
if [ $((passed + failed)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; }; then
    tail "$log"
    failed=$((failed + 1))
fi
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
