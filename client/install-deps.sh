#!/usr/bin/env bash
# Usage: client/install-deps.sh build|suite|tests|containers
#
# Installs the Debian packages that building Tilery needs; or those and what the suite needs that ctest runs; or those
# and the rest of what tests/run.sh needs; or what building and running the images needs, and nothing else. Where none is
# missing it asks neither apt nor for root.
set -eu

packages=(gcc libc6-dev cmake ninja-build pkg-config libnng-dev libmbedtls-dev libprotobuf-c-dev protobuf-c-compiler
    libprotobuf-dev libmicrohttpd-dev libjansson-dev libpng-dev ca-certificates curl)
suite=(check python3 python3-jsonschema python3-prometheus-client python3-seccomp jq nng-utils openssl protobuf-compiler wrk
    iproute2)
case ${1:-} in
build) ;;
suite) packages+=("${suite[@]}") ;;
tests)
    packages+=("${suite[@]}" clang-format python3-yaml help2man mandoc doxygen dpkg-dev file lintian mmdebstrap chromium
        fonts-dejavu-core)
    # Not everybody's comes from Debian.
    command -v node >/dev/null || packages+=(nodejs)
    command -v npm >/dev/null || packages+=(npm)
    ;;
containers)
    packages=(mmdebstrap buildah podman runc conmon netavark aardvark-dns catatonit uidmap iptables docker-compose
        iproute2 python3 python3-yaml)
    command -v kubectl >/dev/null || packages+=(kubernetes-client)
    ;;
*) echo "usage: ${0##*/} build|suite|tests|containers" >&2 && exit 2 ;;
esac

# Some are there under another name: pkgconf provides pkg-config.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides},\n' | sed -n 's/^installed / /p')
missing=()
for package in "${packages[@]}"; do
    [[ $installed =~ " $package"[,\ ] ]] || missing+=("$package")
done
promtool=()
[ "${1:-}" != tests ] || command -v promtool >/dev/null || promtool=(prometheus)
[ $((${#missing[@]} + ${#promtool[@]})) -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get -q update
# Debian 13 has Prometheus's checker as a package of its own.
if [ ${#promtool[@]} != 0 ] && apt-cache show promtool >/dev/null 2>&1; then
    missing+=(promtool)
    promtool=()
fi
[ ${#missing[@]} = 0 ] ||
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
# Of Debian 12's Prometheus the checker alone: the package would start a service.
[ ${#promtool[@]} = 0 ] && exit 0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && apt-get -q download prometheus)
dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar -xC "$folder" ./usr/bin/promtool
"${as_root[@]}" install -D "$folder/usr/bin/promtool" /usr/local/bin/promtool
