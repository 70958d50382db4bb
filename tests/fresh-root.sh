#!/usr/bin/env bash
# Usage: tests/fresh-root.sh bookworm|trixie [COMMAND...]      (default: tests/run.sh)
#
# A machine that has built Tilery before has its packages already, so a missing install step goes unnoticed there.
# This runs COMMAND in a clean clone of the committed HEAD (TILERY_REV: another commit) inside a minimal Debian that
# holds nothing but git and CA certificates: what passes here was installed by Tilery's own scripts. The minimal system
# is made once from this machine's own Debian sources and kept as ${TILERY_ROOTS:-/var/tmp/tilery-roots}/SUITE.tar;
# delete that file to make it anew. The exit status is COMMAND's, or 125. Needs root; the network is the machine's own.
set -eu
umask 022

say() { printf 'fresh-root: %s\n' "$*" >&2; }
die() { say "$*" && exit 125; }

make_tar() {
    say "making $tar"
    TMPDIR=$dir mmdebstrap --quiet --variant=minbase --include=ca-certificates,git --aptopt="$dir/apt.conf" \
        --format=tar "$suite" "$part" "$dir"/sources/* >&2 || die "mmdebstrap failed"
    mv "$part" "$tar"
}

# Adds what a machine has and an archive lacks: name resolution, the way to the apt sources, the code. The policy
# keeps packages from starting services, as there is no init to run them.
fill_root() {
    local file
    mkdir "$root"
    tar -C "$root" -xpf "$tar" --numeric-owner --exclude='./dev/*'
    for file in /etc/resolv.conf /etc/hosts; do
        [ ! -e "$file" ] || cp -L --remove-destination "$file" "$root$file"
    done
    cp "$dir/apt.conf" "$root/etc/apt/apt.conf.d/99mmdebstrap"
    install -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d" <<<$'#!/bin/sh\nexit 101'
    git clone -q --no-hardlinks --no-checkout "$repo" "$root/work/main"
    git -C "$root/work/main" checkout -q --detach "$rev"
    [ ! -d "$repo/../shared" ] || cp -a "$repo/../shared/." "$root/work/shared"
}

mount_root() {
    local name
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm"
    for name in null zero full random urandom tty; do
        : >"$root/dev/$name"
        mount --bind "/dev/$name" "$root/dev/$name"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
    for name in pts/ptmx:ptmx /proc/self/fd:fd fd/0:stdin fd/1:stdout fd/2:stderr; do
        ln -s "${name%:*}" "$root/dev/${name#*:}"
    done
}

# Runs as process 1 of its own namespaces: its end ends every process and every mount in there. It stays beside the
# command, because process 1 must reap orphans and is deaf to signals that it does not handle.
inside() {
    local name kept=()
    set -E && trap 'exit 125' ERR
    exec 9>"${tar%/*}/.$suite.lock" && flock 9
    [ -e "$tar" ] || make_tar
    exec 9>&-
    fill_root
    mount_root
    for name in TERM CI http_proxy https_proxy no_proxy; do
        [ -z "${!name+set}" ] || kept+=("$name=${!name}")
    done
    say "$suite ready after $SECONDS s, running $1"
    # A background job starts out deaf to INT and QUIT, and a test may send either.
    chroot "$root" env -i --default-signal=INT,QUIT -C /work/main HOME=/root LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${kept[@]}" "$@" || exit
}

# Once unshare is killed the kernel kills its process 1 too, but may take a moment longer: hence the tries.
cleanup() {
    trap '' HUP INT TERM
    [ -z "$child" ] || { kill -KILL "$child" && wait "$child"; } 2>/dev/null || :
    for _ in {1..50}; do if rm -rf "$part" "$dir" 2>/dev/null; then return; else sleep 0.1; fi; done
    say "could not remove $dir"
}

[ "${1:-}" != --inside ] || { shift; inside "$@"; exit; }
export suite=${1:-} tar=${TILERY_ROOTS:-/var/tmp/tilery-roots}/${1:-}.tar part dir root repo rev
case $suite in bookworm | trixie) shift ;; *) die "usage: ${0##*/} bookworm|trixie [COMMAND...]" ;; esac
[ $# -gt 0 ] || set -- tests/run.sh
[ "$(id -u)" = 0 ] || die "needs root"
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE # set when a git hook runs this
repo=$(git -C "$(dirname "$0")" rev-parse --show-toplevel) || die "not in a git checkout"
rev=$(git -C "$repo" rev-parse -q --verify "${TILERY_REV:-HEAD}^{commit}") || die "no commit ${TILERY_REV:-HEAD}"
[ -e "$tar" ] || command -v mmdebstrap >/dev/null ||
    { apt-get -q update && apt-get -qy install --no-install-recommends mmdebstrap; } >&2 || die "no mmdebstrap"
child='' status=0 part=$tar.$$ dir=$(mktemp -d "${TMPDIR:-/var/tmp}/tilery-fresh.XXXXXX") root=$dir/root
trap cleanup EXIT
trap 'exit 130' INT && trap 'exit 143' HUP TERM
chmod 755 "$dir" # the unprivileged user that apt downloads as must get in
mkdir -p "${tar%/*}"
"$repo/tests/apt-sources.sh" "$suite" "$dir" || die "no sources for $suite"
setpriv --pdeathsig KILL unshare --mount-proc --pid --ipc --fork --kill-child "$BASH" "$0" --inside "$@" <&0 &
child=$!
wait "$child" || status=$?
child=''
(exit "$status")
