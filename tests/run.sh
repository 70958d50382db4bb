#!/usr/bin/env bash
# Usage: tests/run.sh
#
# Installs what is missing, builds the release preset and runs all tests, as tests/suite.sh does, which ends with the line
# "N passed, N failed", and ", N skipped" where some were. The exit status is 0 when something ran and nothing failed. The
# images are built and run where the tools for it are there. TILERY_CONTAINERS=1 has these installed, too;
# TILERY_CONTAINERS=0 leaves the images out, which is some minutes less.
set -eu
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' tests/run.sh
    [ "$1" = --help ] && exit 0 || exit 64
fi
client/install-deps.sh tests
[ "${TILERY_CONTAINERS:-}" != 1 ] || client/install-deps.sh containers
cmake --preset release
cmake --build build/release
exec tests/suite.sh
