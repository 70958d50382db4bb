#!/bin/sh
# Run by test_packages.py inside a clean Debian root, as its administrator: in-root.sh STEP. It ends at the first thing
# that is not so. The packages are in /debs, this folder in /tests; nothing comes from the network.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# What is not downloaded already is asked of a proxy that is not there.
install_debs() {
    apt-get -qqy -o Acquire::http::Proxy=http://127.0.0.1:9 -o Acquire::https::Proxy=http://127.0.0.1:9 \
        --no-install-recommends install "$@" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log && exit 1; }
}

# serve UNIT: what the unit runs, as its user and in its environment. Leaves the address in $address.
serve() {
    set -a
    # shellcheck disable=SC1090
    . "/etc/default/$1"
    set +a
    setpriv --reuid="$1" --regid="$1" --clear-groups --no-new-privs \
        "$(sed -n 's/^ExecStart=//p' "/usr/lib/systemd/system/$1.service")" >"/tmp/$1.out" 2>"/tmp/$1.err" &
    pids="${pids-} $!"
    until grep -q '^listening on' "/tmp/$1.out"; do
        kill -0 $! || { cat "/tmp/$1.err" && exit 1; }
    done
    address=$(sed -n '1s/^listening on //p' "/tmp/$1.out")
}

case $1 in
install)
    install_debs /debs/tileryd_*.deb /debs/tilery_*.deb /debs/tilery-bridge_*.deb /debs/libtilery0_*.deb curl
    for program in tileryd tilery tilery-bridge; do "$program" --version; done
    for unit in tileryd tilery-bridge; do
        getent passwd "$unit"
        test -e "/etc/systemd/system/multi-user.target.wants/$unit.service"
        said=$(systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit.service" 2>&1)
        [ -z "$said" ] || { echo "$said" && exit 1; }
    done
    ;;
use)
    echo TILERYD_LISTEN=tcp://127.0.0.1:0 >>/etc/default/tileryd
    serve tileryd
    rpc=$address
    printf '%s\n' "TILERY_BACKEND=$rpc" TILERY_BRIDGE_LISTEN=127.0.0.1:0 >>/etc/default/tilery-bridge
    serve tilery-bridge
    tilery --server "$rpc" compute --width 96 --height 96 --tile-w 32 --tile-h 32 --max-iter 128 --time-limit-ms 500 \
        --num-threads 2 >/tmp/tilery.json
    curl -sSf -o /tmp/curl.json \
        "$address/api/compute/concurrent?width=96&height=96&tile_w=32&tile_h=32&max_iter=128&time_limit_ms=500&num_threads=2"
    echo "$rpc" >/tmp/rpc
    "$0" develop
    for pid in $pids; do kill "$pid" && wait "$pid"; done
    ;;
develop)
    install_debs /debs/libtilery-dev_*.deb gcc libc6-dev cmake make pkg-config
    mkdir /tmp/consumer && cd /tmp/consumer
    { cmake -S /tests -B . && cmake --build .; } >cmake.log 2>&1 || { cat cmake.log && exit 1; }
    # shellcheck disable=SC2046 # flags are words
    cc /tests/main.c $(pkg-config --cflags --libs tilery) -o pkg-config-shared
    # shellcheck disable=SC2046
    cc /tests/main.c $(pkg-config --static --cflags --libs tilery | sed 's/-ltilery\b/-l:libtilery.a/') -o pkg-config-static
    for program in consumer-shared consumer-static pkg-config-shared pkg-config-static; do
        printf '%s: ' "$program"
        "./$program" "$(cat /tmp/rpc)"
    done
    dpkg --purge libtilery-dev >/dev/null
    ;;
remove)
    dpkg --remove tileryd tilery tilery-bridge libtilery0 >/dev/null
    ! command -v tileryd || exit 1
    test -e /etc/default/tileryd # what the administrator wrote stays
    ;;
purge)
    dpkg --purge tileryd tilery tilery-bridge libtilery0 >/dev/null
    find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /debs -o -path /var/log -o -path /var/cache -o \
        -path /tests \) -prune -o -name '*tilery*' -print
    ;;
esac
