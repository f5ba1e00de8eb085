#!/usr/bin/env bash
# All that is wrong before anything runs, quickest first (`make check`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
export speaker=check
for part in say install datasets; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done

# optional TOOL COMMAND…: runs it where the tool is there, and says so where it is not.
optional() {
  local tool=$1
  shift
  if command -v "$tool" >/dev/null; then
    "$@"
  else
    say "$tool is not there: its part was left out"
  fi
}

cargo fmt --all --check
tests/borders.sh

install_missing shellcheck
git ls-files -z -- '*.sh' .ci/run | xargs -0 shellcheck --severity=warning

install_browser_packages
npm --prefix tests/browser run --silent check

install_packages workers/node
npm --prefix workers/node run --silent check
# Beside no source: nothing of it is left in the tree.
PYTHONPYCACHEPREFIX=$(mktemp -d) python3 -m compileall -q workers/python tests/workers/programs
optional ruff ruff check --quiet workers/python

cargo clippy --workspace --all-targets -- -D warnings
# The map of a module names its private parts.
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --quiet

optional cargo-machete cargo machete --with-metadata

# Licences and sources of dependencies always, their known holes where the database of them can be had.
dependencies() {
  cargo deny check bans licenses sources
  if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny check advisories
  else
    say "the database of advisories cannot be had here: known holes of dependencies were not looked for"
  fi
}
optional cargo-deny dependencies
