#!/usr/bin/env bash
# Usage: tests/format.sh
#
# Holds every C file of the repository against .clang-format. Versions of clang-format lay out the same code differently, so
# only the house version judges.
set -eu
cd "$(dirname "$0")/.."

skip() {
    printf 'skipped: %s\n# skipped 1\n' "$1"
    exit 0
}

command -v clang-format >/dev/null || skip "there is no clang-format"
version=$(clang-format --version | sed -E 's/.*version ([0-9]+).*/\1/')
[ "$version" = 14 ] || skip "clang-format is version $version, the style is written for 14"
git rev-parse --git-dir >/dev/null 2>&1 || skip "not in a git checkout"
git ls-files -z -- '*.c' '*.h' | xargs -0r clang-format --dry-run -Werror
echo "# pass 1"
