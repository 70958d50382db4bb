#!/usr/bin/env bash
# Usage: tests/fuzz/run.sh [SECONDS]
#
# Builds the preset fuzz (clang) and runs each target for so long, 60 s by default, from the seeds on. What it finds is
# kept in build/fuzz/TARGET-found: feed it to build/asan-ubsan/tests/fuzz_TARGET once that is mended. The exit status is 0
# when nothing was found.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
cmake --preset fuzz
cmake --build --preset fuzz
for target in requests computes replies http; do
    corpus=build/fuzz/$target-corpus found=build/fuzz/$target-found
    mkdir -p "$corpus" "$found"
    build/fuzz/tests/fuzz_$target --write "$corpus"
    nice build/fuzz/tests/libfuzzer_$target -max_total_time="$seconds" -max_len=65536 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$found/" "$corpus" 2>&1 | tail -6
done
