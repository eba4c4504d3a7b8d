#!/usr/bin/env bash
# One-node Ceph for tests: a monitor, one OSD on a sparse file, the RADOS Gateway. Plain processes on loopback, stopped by down.sh.
# Settings: RGW_PORT (7480), MON_PORT (6789), OSD_GB (10, sparse).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/env.sh"
RGW_PORT=${RGW_PORT:-7480} MON_PORT=${MON_PORT:-6789} OSD_GB=${OSD_GB:-10}
if [ -e "$CEPH_DIR" ]; then
  echo "$CEPH_DIR exists: $here/down.sh first" >&2
  exit 1
fi
mkdir -p "$CEPH_DIR"/{mon,osd,run,log}
# Unix sockets allow 107 bytes of path, which a deep checkout exceeds: the sockets get a short folder of their own.
sockets=$(mktemp -d "${TMPDIR:-/tmp}/firn-ceph.XXXXXX")
echo "$sockets" > "$CEPH_DIR/sockets"
fsid=$(cat /proc/sys/kernel/random/uuid)
cat > "$CEPH_CONF" <<EOF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$((MON_PORT - 3489)),v1:127.0.0.1:$MON_PORT]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $CEPH_DIR/keyring
run dir = $CEPH_DIR/run
admin socket = $sockets/\$name.asok
pid file = $CEPH_DIR/run/\$name.pid
log file = $CEPH_DIR/log/\$name.log
crash dir = $CEPH_DIR/log
plugin dir = $arch_dir/ceph
erasure code dir = $arch_dir/ceph/erasure-code
osd class dir = $arch_dir/rados-classes
osd class load list = *
osd class default list = *
setuser match path =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
mon data avail warn = 2
mon max pg per osd = 1000
auth allow insecure global id reclaim = false
[mon.a]
mon data = $CEPH_DIR/mon
[osd.0]
osd data = $CEPH_DIR/osd
osd objectstore = bluestore
bluestore block create = true
bluestore block size = $((OSD_GB << 30))
bluestore block db size = 0
bluestore block wal size = 0
bluestore block db create = false
bluestore block wal create = false
osd memory target = 1073741824
bdev enable discard = false
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$RGW_PORT
rgw dns name = localhost
rgw enable usage log = false
rgw enable ops log = false
rgw multipart min part size = 5242880
EOF

authtool() { ceph-authtool "$CEPH_DIR/keyring" "$@" >/dev/null; }
ceph-authtool --create-keyring "$CEPH_DIR/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
authtool --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
authtool --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
ceph-authtool --create-keyring "$CEPH_DIR/osd/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd' >/dev/null
authtool --import-keyring "$CEPH_DIR/osd/keyring"

monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$((MON_PORT - 3489)),v1:127.0.0.1:$MON_PORT]" "$CEPH_DIR/monmap" >/dev/null
ceph-mon -c "$CEPH_CONF" --mkfs -i a --monmap "$CEPH_DIR/monmap" --keyring "$CEPH_DIR/keyring"
ceph-mon -c "$CEPH_CONF" -i a
ceph -s >/dev/null

osd=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd" 0 >/dev/null
echo bluestore > "$CEPH_DIR/osd/type"
ceph-osd -c "$CEPH_CONF" -i 0 --mkfs --osd-uuid "$osd" --no-mon-config >/dev/null 2>"$CEPH_DIR/log/mkfs.err"
ceph-osd -c "$CEPH_CONF" -i 0 >/dev/null
for _ in $(seq 300); do ceph osd stat 2>/dev/null | grep -q ' 1 up' && break; sleep 0.1; done

radosgw -c "$CEPH_CONF" -n client.rgw
for _ in $(seq 600); do curl -sf "http://127.0.0.1:$RGW_PORT/" >/dev/null && break; sleep 0.1; done
curl -sf "http://127.0.0.1:$RGW_PORT/" >/dev/null || { echo "the gateway does not answer: $CEPH_DIR/log" >&2; exit 1; }

user() { radosgw-admin -c "$CEPH_CONF" user create --uid="$1" --display-name="$1" --access-key="$2" --secret-key="$3" >/dev/null 2>>"$CEPH_DIR/log/admin.err"; }
user writer AKWRITER secret-of-the-writer
user other AKOTHER secret-of-the-other
cat > "$CEPH_DIR/endpoint" <<EOF
export FIRN_TEST_S3_ENDPOINT=http://127.0.0.1:$RGW_PORT FIRN_TEST_S3_KEY=AKWRITER FIRN_TEST_S3_SECRET=secret-of-the-writer
EOF
echo "RADOS Gateway at http://127.0.0.1:$RGW_PORT"
