#!/usr/bin/env bash
# Downloads Debian's Ceph packages (about 100, 75 MB) and unpacks them below CEPH_CACHE. Nothing is installed on the machine.
set -euo pipefail
. "$(dirname "$0")/env.sh"
if [ -x "$CEPH_ROOT/usr/bin/radosgw" ]; then
  echo "already unpacked: $CEPH_ROOT"
  exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "needs apt-get and dpkg (Debian or Ubuntu)" >&2; exit 3; }
debs=$CEPH_CACHE/debs
mkdir -p "$debs/partial" "$CEPH_ROOT"
[ -n "$(ls /var/lib/apt/lists/*_Packages* 2>/dev/null)" ] || apt-get update -qq
apt-get install -y -qq --no-install-recommends --download-only -o Dir::Cache::archives="$debs" -o APT::Sandbox::User=root \
  ceph-mon ceph-osd ceph-base ceph-common radosgw >/dev/null
for deb in "$debs"/*.deb; do dpkg -x "$deb" "$CEPH_ROOT"; done
echo "unpacked $(ls "$debs"/*.deb | wc -l) packages into $CEPH_ROOT"
