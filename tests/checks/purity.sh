#!/usr/bin/env bash
# firn-model, firn-formats and firn-catalog stay free of async runtimes, network clients and object stores,
# and the three siblings stay free of each other (docs/adr, ARCHITECTURE.md).
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo=${CARGO:-cargo}
status=0

forbid() { # crate, pattern of package names
  local tree found
  tree=$("$cargo" tree --locked --package "$1" --edges normal --prefix none --format '{p}' --target all)
  found=$(awk '{print $1}' <<<"$tree" | sort -u | grep -Ex "$2" || true)
  if [ -n "$found" ]; then
    echo "$1 must not depend on:" $found >&2
    for name in $found; do "$cargo" tree --locked --package "$1" --edges normal --target all --invert "$name" | head -8 >&2; done
    status=1
  else
    echo "$1: pure ($(wc -l <<<"$tree") lines of tree)"
  fi
}

impure='tokio|async-std|reqwest|hyper|object_store|icechunk|mio|socket2'
forbid firn-model "$impure|firn-storage|firn-formats|firn-catalog|firn-engine|firn"
forbid firn-formats "$impure|firn-storage|firn-catalog|firn-engine|firn"
forbid firn-catalog "$impure|firn-storage|firn-formats|firn-engine|firn"
forbid firn-storage "icechunk|firn-formats|firn-catalog|firn-engine|firn"
exit $status
