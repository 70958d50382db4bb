#!/usr/bin/env bash
# Usage: client/quickstart.sh [--once]
#
# From a fresh Debian machine to a running Tilery: installs, builds, starts the service, makes the documented request
# with the command line and with curl, prints both answers and the addresses, and stays up until Ctrl-C (--once ends it).
set -euo pipefail
cd "$(dirname "$0")/.."

once=
case "${1:-}" in
'') ;;
--once) once=1 ;;
-h | --help)
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' client/quickstart.sh
    exit
    ;;
*)
    echo "usage: client/quickstart.sh [--once]" >&2
    exit 64
    ;;
esac

client/install-deps.sh build
cmake --preset release -DTILERY_TESTS=OFF -B build/quickstart >/dev/null
quiet=()
[ -t 1 ] || quiet=(-- --quiet) # on a terminal ninja tells how far it is, in one line
cmake --build build/quickstart "${quiet[@]}"

dir=$(mktemp -d)
pids=()
stop() {
    trap - EXIT INT TERM
    if [ ${#pids[@]} -gt 0 ]; then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME PREFERRED OTHERWISE PROGRAM ARGUMENTS...: the preferred address, or a free port where it is taken.
# Leaves the address served in $address.
start() {
    local name=$1 try pid
    local addresses=("$2" "$3")
    shift 3
    for try in "${addresses[@]}"; do
        : >"$dir/$name.out" # looked at before it may have begun
        "$@" --listen "$try" >"$dir/$name.out" 2>"$dir/$name.err" &
        pid=$!
        while kill -0 "$pid" 2>/dev/null && ! grep -q '^listening on' "$dir/$name.out"; do
            sleep 0.02
        done
        if grep -q '^listening on' "$dir/$name.out"; then
            pids+=("$pid")
            address=$(sed -n 's/^listening on //p' "$dir/$name.out" | head -n 1)
            return
        fi
        wait "$pid" || true
    done
    cat "$dir/$name.err" >&2
    exit 1
}

bin=build/quickstart
start tileryd tcp://127.0.0.1:5570 tcp://127.0.0.1:0 "$bin/tileryd"
rpc=$address
start bridge 127.0.0.1:8405 127.0.0.1:0 "$bin/tilery-bridge" --backend "$rpc"
http=$address

url="$http/api/compute/concurrent?width=96&height=96&tile_w=32&tile_h=32&max_iter=128&time_limit_ms=500&num_threads=2"
command=("$bin/tilery" --server "$rpc" compute --width 96 --height 96 --tile-w 32 --tile-h 32 --max-iter 128
    --time-limit-ms 500 --num-threads 2)

printf '\n$ %s\n' "${command[*]}"
"${command[@]}"
printf "\n\$ curl '%s'\n" "$url"
curl --silent --show-error --fail "$url"
printf '\n\nRPC   %s\nHTTP  %s\n' "$rpc" "$http"
sed -n '/method=/{s/^/LOG   /p;q;}' "$dir/tileryd.err"
if [ -z "$once" ]; then
    echo "Ctrl-C ends it."
    wait "${pids[@]}"
fi
