# Source me. CEPH_CACHE: the folder that everything lies in (the project's .cache/ceph unless told otherwise).
# CEPH_ROOT: the unpacked Debian packages. CEPH_DIR: the cluster of this run. Neither is used by anything else.
export CEPH_CACHE=${CEPH_CACHE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.cache/ceph}
export CEPH_ROOT=$CEPH_CACHE/root
export CEPH_DIR=${CEPH_DIR:-$CEPH_CACHE/cluster}
export CEPH_CONF=$CEPH_DIR/ceph.conf
arch_dir=$CEPH_ROOT/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu)
export LD_LIBRARY_PATH=$arch_dir:$arch_dir/ceph:$CEPH_ROOT/usr/lib/ceph:$CEPH_ROOT/lib/$(basename "$arch_dir")
export PYTHONPATH=$CEPH_ROOT/usr/lib/python3/dist-packages
export PATH=$CEPH_ROOT/usr/bin:$PATH
ceph() { /usr/bin/python3 "$CEPH_ROOT/usr/bin/ceph" -c "$CEPH_CONF" "$@"; }
