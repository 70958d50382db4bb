#!/usr/bin/env bash
# Usage: tests/apt-sources.sh SUITE DIRECTORY
#
# For mmdebstrap: writes this machine's own Debian apt sources, renamed for the suite, to DIRECTORY/sources, and how its
# apt gets at them to DIRECTORY/apt.conf. Vendors' files are left out. Only where a suite stands is it renamed: paths
# and addresses may hold a release's name too.
set -eu
suite=$1 dir=$2
own=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mkdir -p "$dir/sources"
for from in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    grep -qsE '^(deb|Types:)' "$from" || continue
    to=$dir/sources/${from##*/}
    sed -E "/^Suites:/s/\b$own\b/$suite/g; s#^(deb[^ ]* +(\[[^]]*\] +)?[^ ]+ +)$own\b#\1$suite#" "$from" >"$to"
    grep -qE "^(deb|Suites:).* $suite\b" "$to" || { echo "$from does not name its release: no $suite from it" >&2; exit 1; }
done
[ -n "$(ls "$dir/sources")" ] || { echo "no Debian apt sources on this machine" >&2; exit 1; }
apt-config dump | grep -E '^Acquire::(https?::|Check-)' | grep -v Auto-Detect >"$dir/apt.conf" || :
