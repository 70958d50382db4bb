#!/usr/bin/env bash
# Usage: tests/containers/store.sh COMMAND...
#
# Runs COMMAND where podman and buildah keep all they have under build/containers, and work without systemd. A Debian 13
# made of this machine's own apt sources is there as debian:trixie-slim: no registry is asked. Needs root.
set -eu
cd "$(dirname "$0")/../.."
store=$PWD/build/containers run=/run/tilery-containers base=localhost/debian:trixie-slim
mkdir -p "$store"

# Writes a file of configuration, whole, since others may be reading it.
write() {
    cat >"$store/$1.$$"
    mv "$store/$1.$$" "$store/$1"
}

# What stands in /run goes with the machine, or with the test that has a /run of its own.
configure() {
    local driver=overlay
    [ "$(stat -f -c %T "$store")" != overlayfs ] || driver=vfs
    write storage.conf <<-EOF
	[storage]
	driver = "$driver"
	graphroot = "$store/images"
	runroot = "$run/storage"
	EOF
    write containers.conf <<-EOF
	[containers]
	default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
	log_driver = "k8s-file"
	[network]
	network_backend = "netavark"
	network_config_dir = "$run/networks"
	[engine]
	runtime = "runc"
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	tmp_dir = "$run/libpod"
	EOF
    write policy.json <<<'{"default": [{"type": "insecureAcceptAnything"}]}'
}

make_base() {
    local dir
    dir=$(mktemp -d "$store/base.XXXXXX")
    chmod 755 "$dir" # the unprivileged user that apt downloads as must get in
    tests/apt-sources.sh trixie "$dir"
    TMPDIR=$dir mmdebstrap --quiet --variant=minbase --include=ca-certificates --aptopt="$dir/apt.conf" \
        --customize-hook="copy-in $dir/apt.conf /tmp" \
        --customize-hook='mv "$1/tmp/apt.conf" "$1/etc/apt/apt.conf.d/99sources"' \
        --format=tar trixie "$dir/base.tar" "$dir"/sources/* >&2
    podman import --quiet "$dir/base.tar" "$base" >&2
    rm -rf "$dir"
}

configure
export CONTAINERS_STORAGE_CONF=$store/storage.conf CONTAINERS_CONF=$store/containers.conf BUILDAH_ISOLATION=chroot
podman image exists "$base" || make_base
cd "$store" # where conmon leaves a file when memory runs out
exec "$@"
