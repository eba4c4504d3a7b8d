#!/usr/bin/env bash
# What does not belong into every run: a real Ceph RADOS Gateway, more kills, the newer icechunk, longer fuzzing.
# KILLS=100, MUTATIONS=20000 and SECONDS_EACH=300 (a fuzz target) say how long.
# ONLY=ceph,kills runs the named parts. Prints what it could not run and why; REQUIRE=ceph,azure,sftp,kills,icechunk2,mutations,damage,fuzz makes the named parts obligatory.
set -uo pipefail
cd "$(dirname "$0")/.."
PY=${VENV:-.venv}/bin/python
REQUIRE=${REQUIRE:-}
CACHE=${CACHE:-$PWD/.cache}
failed=() missing=() passed=()

part() { # name, command...: exit status 3 means "cannot run here"
  local name=$1 status
  shift
  [ -z "${ONLY:-}" ] || [[ ",$ONLY," == *",$name,"* ]] || return
  echo "── $name"
  "$@"
  status=$?
  case $status in
    0) passed+=("$name") ;;
    3) missing+=("$name") ;;
    *) failed+=("$name") ;;
  esac
}

ceph_part() {
  tests/ceph/install.sh || return 3
  tests/ceph/down.sh
  if ! tests/ceph/up.sh > "$CACHE/ceph/up.log" 2>&1; then
    tail -20 "$CACHE/ceph/up.log"
    tests/ceph/down.sh
    return 3
  fi
  # shellcheck disable=SC1091
  . "$CACHE/ceph/cluster/endpoint"
  local status=0
  FIRN_TEST_OBJECTS=${CEPH_OBJECTS:-10000} FIRN_TEST_KILLS=${CEPH_KILLS:-20} "$PY" -m pytest tests/interop -k "s3 or location or denied" --timeout 1800 || status=1
  unset FIRN_TEST_S3_ENDPOINT FIRN_TEST_S3_KEY FIRN_TEST_S3_SECRET
  tests/ceph/down.sh
  return $status
}

azure_part() {
  command -v npm > /dev/null || { echo "needs npm"; return 3; }
  [ -x "$CACHE/azurite/node_modules/.bin/azurite-blob" ] || npm install --silent --no-fund --no-audit --prefix "$CACHE/azurite" azurite@3 || return 3
  AZURITE="$CACHE/azurite/node_modules/.bin/azurite-blob" FIRN_TEST_AZURE=1 "$PY" -m pytest tests/interop/test_clouds.py --timeout 600
}

sftp_part() { # the suite that every storage passes, on an SFTP server
  "$PY" tests/support/ssh.py cargo test --locked -p firn-storage --test storage a_cloud_conforms
}

kills_part() {
  FIRN_TEST_KILLS=${KILLS:-100} FIRN_TEST_SEED=${FIRN_TEST_SEED:-$RANDOM} "$PY" -m pytest tests/interop/test_kill.py tests/interop/test_promote.py tests/interop/test_objects.py tests/interop/test_adopt.py -k "kill and not s3" --timeout 1800
}

icechunk2_part() { # NEWER_PYTHON names one that is not on the path
  local python
  for python in ${NEWER_PYTHON:-} python3.14 python3.13 python3.12 ""; do
    # A command of that name may be a stub that only says what to install.
    [ -n "$python" ] && "$python" -c 'import venv' 2>/dev/null && break
  done
  [ -n "$python" ] || { echo "needs Python 3.12 or newer (found $("$PY" --version))"; return 3; }
  [ -x "$CACHE/icechunk2/bin/python" ] || "$python" -m venv "$CACHE/icechunk2"
  "$CACHE/icechunk2/bin/pip" install --quiet 'icechunk>=2,<3' xarray zarr netCDF4 h5netcdf h5py numcodecs dask pytest pytest-timeout PyYAML blake3 aiohttp fsspec obstore boto3 'moto[s3]' flask flask-cors || return 3
  "$CACHE/icechunk2/bin/python" -m pytest tests/interop/test_virtualize.py tests/interop/test_demo_snippets.py
}

mutations_part() {
  "$PY" tests/corpus/mutate.py --count "${MUTATIONS:-20000}" --keep "$CACHE/mutations"
}

damage_part() {
  "$PY" tests/corpus/damage.py
}

fuzz_part() {
  SECONDS_EACH=${SECONDS_EACH:-300} tests/fuzz.sh
}

trap 'tests/ceph/down.sh' EXIT
part ceph ceph_part
part azure azure_part
part sftp sftp_part
part kills kills_part
part icechunk2 icechunk2_part
part mutations mutations_part
part damage damage_part
part fuzz fuzz_part

echo
echo "passed:        ${passed[*]:-none}"
echo "could not run: ${missing[*]:-none}"
echo "failed:        ${failed[*]:-none}"
status=0
[ ${#failed[@]} -eq 0 ] || status=1
for name in ${REQUIRE//,/ }; do
  [[ " ${passed[*]:-} " == *" $name "* ]] || { echo "required and not passed: $name"; status=1; }
done
exit $status
