#!/usr/bin/env bash
# Stops the processes whose pid files lie in the cluster's own folder, and no others; then removes that folder.
set -euo pipefail
. "$(dirname "$0")/env.sh"
[ -d "$CEPH_DIR" ] || exit 0
ours() { grep -qs -- "$CEPH_DIR" "/proc/$1/cmdline"; }
for name in client.rgw osd.0 mon.a; do
  file=$CEPH_DIR/run/$name.pid
  [ -s "$file" ] || continue
  pid=$(cat "$file")
  ours "$pid" || continue
  kill -TERM "$pid"
  for _ in $(seq 100); do [ -e "/proc/$pid" ] || break; sleep 0.1; done
  if ours "$pid"; then kill -KILL "$pid"; fi
done
[ -s "$CEPH_DIR/sockets" ] && rm -rf "$(cat "$CEPH_DIR/sockets")"
rm -rf "$CEPH_DIR"
