#!/usr/bin/env bash
# Usage: docker/build.sh [--base IMAGE] [--without PATTERN] [IMAGE...]
#
# Builds the images tileryd, tilery-bridge and tilery, or those named, with the first of docker, podman and buildah that
# works (TILERY_BUILDER names one of them), and tells their sizes. --base: the Debian 13 to build on; --without: the tests
# that the build leaves out, as a pattern for ctest, instead of those that cannot run in it.
set -eu
cd "$(dirname "$0")/.."
arguments=() images=()
while [ $# -gt 0 ]; do
    case $1 in
    --base) arguments+=(--build-arg "BASE=${2:?--base wants an image}") && shift ;;
    --without) arguments+=(--build-arg "WITHOUT=${2:?--without wants a pattern}") && shift ;;
    -*) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' docker/build.sh && [ "$1" = --help ] && exit 0 || exit 64 ;;
    *) images+=("$1") ;;
    esac
    shift
done
[ ${#images[@]} -gt 0 ] || images=(tileryd tilery-bridge tilery)
for builder in ${TILERY_BUILDER:-docker podman buildah}; do
    "$builder" info >/dev/null 2>&1 && break # docker's needs its daemon
done
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
