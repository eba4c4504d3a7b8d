#!/usr/bin/env bash
# Resolves requirements/*.in in a fresh environment each and writes every version to requirements/*.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
for source in requirements/*.in; do
  name=$(basename "$source" .in)
  "$1" -m venv "$scratch/$name"
  "$scratch/$name/bin/pip" install --quiet --disable-pip-version-check -r "$source"
  { echo "# Made from $name.in by make requirements."; "$scratch/$name/bin/pip" freeze; } > "requirements/$name.txt"
done
