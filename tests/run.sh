#!/usr/bin/env bash
# Usage: tests/run.sh
#
# Installs what is missing, builds the release preset, runs all tests and the format check, and ends with the line
# "N passed, N failed", and ", N skipped" where some were. What failed is shown before it; everything is in
# build/tests.log. The exit status is 0 when something ran and nothing failed. TILERY_CONTAINERS=1 has it build the images
# and run them, too, which takes some minutes more.
set -eu
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' tests/run.sh
    [ "$1" = --help ] && exit 0 || exit 64
fi
log=build/tests.log

# Sums up the log that ctest -V wrote, whose lines begin with a test program's number: each failed program's output, and
# the three counts as the last line. A failed program that counted no failure of its own, as it crashed, ran out of time
# or was not built, counts as one.
sum_up() {
    awk '
        function count(name) {
            if (!match($0, name "[=: ]+[0-9]+")) return 0
            name = substr($0, RSTART, RLENGTH)
            gsub(/[^0-9]/, "", name)
            return name + 0
        }
        { id = 0 }
        match($0, /^ *[0-9]+: /) {
            id = $0 + 0
            $0 = substr($0, RLENGTH + 1)
            output[id] = output[id] $0 "\n"
        }
        id && /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
            bad = count("Failures") + count("Errors")
            passed += count("Checks") - bad
            failed += bad
            failures[id] += bad
        }
        id && /^Ran [0-9]+ tests? in / { ran = count("Ran") }
        ran && /^(OK|FAILED)( \(.*\))?$/ {
            gsub(/expected failures=[0-9]+/, "")
            bad = count("failures") + count("errors") + count("unexpected successes")
            passed += ran - bad - count("skipped")
            failed += bad
            skipped += count("skipped")
            failures[id] += bad
            ran = 0
        }
        id && /^# (pass|fail|cancelled|skipped) [0-9]+$/ {
            passed += count("pass")
            bad = count("fail") + count("cancelled")
            failed += bad
            failures[id] += bad
            skipped += count("skipped")
        }
        /^The following tests FAILED:/ { listing = 1 }
        listing && /^[ \t]+[0-9]+ - / {
            id = $1
            if (!failures[id]) failed++
            printf "%s\n%s", $0, output[id]
        }
        END { print passed + 0, failed + 0, skipped + 0 }
    ' "$log"
}

# Versions of clang-format lay out the same code differently, so only the house version judges.
check_format() {
    local version
    version=$(clang-format --version | sed -E 's/.*version ([0-9]+).*/\1/')
    if [ "$version" != 14 ]; then
        echo "format check skipped: clang-format is version $version, the style is written for 14"
        skipped=$((skipped + 1))
    elif ! git rev-parse --git-dir >/dev/null 2>&1; then
        echo "format check skipped: not in a git checkout"
        skipped=$((skipped + 1))
    elif git ls-files -z -- '*.c' '*.h' | xargs -0r clang-format --dry-run -Werror; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

client/install-deps.sh tests
[ -z "${TILERY_CONTAINERS:-}" ] || client/install-deps.sh containers
cmake --preset release
cmake --build build/release
status=0
ctest --preset release -V >"$log" 2>&1 || status=$?
summary=$(sum_up)
read -r passed failed skipped <<<"${summary##*$'\n'}"
[ "$summary" = "${summary##*$'\n'}" ] || printf '%s\n' "${summary%$'\n'*}"
if [ $((passed + failed)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; }; then
    tail "$log"
    failed=$((failed + 1))
fi
check_format
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
