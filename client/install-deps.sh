#!/usr/bin/env bash
# Usage: client/install-deps.sh build|tests
#
# Installs the Debian packages that building Tilery needs, or those and what its tests need. Where none is missing it
# asks neither apt nor for root.
set -eu

packages=(gcc libc6-dev cmake ninja-build pkg-config libnng-dev libprotobuf-c-dev protobuf-c-compiler libprotobuf-dev
    libmicrohttpd-dev libjansson-dev libpng-dev ca-certificates curl)
case ${1:-} in
build) ;;
tests)
    packages+=(check clang-format python3 python3-jsonschema python3-prometheus-client jq nng-utils openssl
        protobuf-compiler wrk help2man mandoc doxygen dpkg-dev file mmdebstrap chromium fonts-dejavu-core)
    # Not everybody's comes from Debian.
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    ;;
*) echo "usage: ${0##*/} build|tests" >&2 && exit 2 ;;
esac

# Some are there under another name: pkgconf provides pkg-config.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides},\n' | sed -n 's/^installed / /p')
missing=()
for package in "${packages[@]}"; do
    [[ $installed =~ " $package"[,\ ] ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get -q update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
