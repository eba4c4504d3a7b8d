#!/usr/bin/env bash
# Builds the fuzz targets with instrumentation on stable Rust (docs/adr/0011-fuzzing.md) and runs each for SECONDS_EACH.
#
#   SECONDS_EACH=5 JOBS=2 tests/fuzz.sh [TARGET...]
#   tests/fuzz.sh --repeat TARGET FILE...       runs inputs again, for instance those that failed
#
# New inputs are kept in CORPUS (target/fuzz-corpus) and used again; those that fail in target/fuzz-failures.
set -euo pipefail
cd "$(dirname "$0")/.."
SECONDS_EACH=${SECONDS_EACH:-5}
JOBS=${JOBS:-$(nproc)}
TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
CORPUS=${CORPUS:-$TARGET_DIR/fuzz-corpus}
FAILURES=$TARGET_DIR/fuzz-failures
PYTHON=${PYTHON:-python3}
CARGO=${CARGO:-cargo}
# More than any input of this size may take. The heap has a bound of its own (fuzz/src/heap.rs).
LIMITS=(-rss_limit_mb=512 -timeout=5 -max_len=65536)

host=$(rustc -vV | sed -n 's/^host: //p')
# Only what has libFuzzer in it can be linked with these flags: --bin.
# With --target the flags reach neither build scripts nor procedural macros, which would not link.
flags="--cfg fuzzing -Cpasses=sancov-module"
for argument in level=3 inline-8bit-counters pc-table trace-compares; do
  flags+=" -Cllvm-args=-sanitizer-coverage-$argument"
done
RUSTFLAGS="$flags" CARGO_INCREMENTAL=0 "$CARGO" build --quiet --locked -p firn-fuzz --features libfuzzer --bin 'fuzz-*' --target "$host" --target-dir "$TARGET_DIR/fuzz"
binaries=$TARGET_DIR/fuzz/$host/debug

if [ "${1:-}" = --repeat ]; then
  exec "$binaries/fuzz-$2" "${LIMITS[@]}" "${@:3}"
fi

targets=("$@")
[ ${#targets[@]} -gt 0 ] || for source in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$source" .rs)"); done
mkdir -p "$FAILURES"
"$PYTHON" fuzz/seeds.py "$TARGET_DIR/fuzz-seeds"

run() { # one target
  local name=$1 log=$TARGET_DIR/fuzz-$1.log dictionary=()
  [ ! -e "fuzz/dictionaries/$name.txt" ] || dictionary=(-dict="fuzz/dictionaries/$name.txt")
  mkdir -p "$CORPUS/$name"
  if "$binaries/fuzz-$name" "${LIMITS[@]}" "${dictionary[@]}" -max_total_time="$SECONDS_EACH" -print_final_stats=1 \
    -artifact_prefix="$FAILURES/$name-" "$CORPUS/$name" "$TARGET_DIR/fuzz-seeds/$name" > "$log" 2>&1; then
    printf '%-12s %s\n' "$name" "$(awk '/^stat::number_of_executed_units/ {n = $2} / cov: / {for (i = 1; i < NF; i++) if ($i == "cov:") c = $(i + 1)}
      END {printf "%d inputs, %d edges", n, c}' "$log")"
  else
    tail -40 "$log"
    echo "$name FAILED; again: tests/fuzz.sh --repeat $name $(sed -n 's/.*Test unit written to //p' "$log" | tail -1)"
    return 1
  fi
}

status=0 running=0
for name in "${targets[@]}"; do
  run "$name" &
  running=$((running + 1))
  if [ "$running" -ge "$JOBS" ]; then
    wait -n || status=1
    running=$((running - 1))
  fi
done
while [ "$running" -gt 0 ]; do
  wait -n || status=1
  running=$((running - 1))
done
exit $status
