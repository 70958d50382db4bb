#!/usr/bin/env bash
# Usage: docker/build.sh [--base IMAGE] [--without PATTERN] [IMAGE...]
#
# Builds the images tileryd, tilery-bridge and tilery, or those named, with the first of docker, podman and buildah that
# works (TILERY_BUILDER names one of them), and tells their sizes. --base: the Debian 13 to build on; --without: the tests
# that the build leaves out, as a pattern for ctest, instead of those that cannot run in it.
set -eu
cd "$(dirname "$0")/.."
arguments=() images=()

usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' docker/build.sh; }

# want OPTION VALUE: a usage error where there is none.
want() { [ -n "$2" ] || { echo "docker/build.sh: $1 wants a value" >&2 && exit 64; }; }

while [ $# -gt 0 ]; do
    case $1 in
    --base) want "$1" "${2:-}" && arguments+=(--build-arg "BASE=$2") && shift ;;
    --without) want "$1" "${2:-}" && arguments+=(--build-arg "WITHOUT=$2") && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 64 ;;
    *) images+=("$1") ;;
    esac
    shift
done
[ ${#images[@]} -gt 0 ] || images=(tileryd tilery-bridge tilery)
builder=
for candidate in ${TILERY_BUILDER:-docker podman buildah}; do
    "$candidate" info >/dev/null 2>&1 && builder=$candidate && break # docker's needs its daemon
done
if [ -z "$builder" ]; then
    echo "docker/build.sh: none of these works here: ${TILERY_BUILDER:-docker podman buildah}" >&2
    exit 69
fi
case $builder in
docker) command=(docker build) ;;
*) command=("$builder" build --layers --format docker) ;; # the health check is of Docker's format alone
esac
arguments+=(--build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
for image in "${images[@]}"; do
    "${command[@]}" "${arguments[@]}" --file docker/Dockerfile --target "$image" --tag "$image" .
done
for image in "${images[@]}"; do
    echo "$image: $("$builder" images --format '{{.Size}}' "$image" | sed 's/ *MB$/ MB/;q')"
done
