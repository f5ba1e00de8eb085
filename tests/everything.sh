#!/usr/bin/env bash
# All tests, in lanes side by side, since most of their time is waiting; tests/services.sh runs it (`make test`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Rust's tests that need no broker, by the names of their programs; all others run beside a broker.
without_broker=(imports memory race reports)

step() {
  printf '\n== %s\n' "$*"
}

# with_broker: the names of the other programs, as cargo knows them.
with_broker() {
  cargo metadata --no-deps --format-version 1 | node -e '
    const { packages } = JSON.parse(require("node:fs").readFileSync(0));
    const tests = packages.flatMap(({ targets }) => targets).filter(({ kind }) => kind.includes("test"));
    const others = process.argv.slice(1);
    console.log([...new Set(tests.map(({ name }) => name))].filter((name) => !others.includes(name)).join("\n"));
  ' "${without_broker[@]}"
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-everything.XXXXXX")
trap 'rm -rf "$folder"' EXIT
failed=()

# ended NAME PROCESS: waits for a lane, and shows what it said.
ended() {
  wait "$2" || failed+=("$1")
  step "$1"
  cat "$folder/$1"
}

step "building"
# Once for all: the binaries that run as a cluster are the ones that the tests were built with.
cargo build --workspace --bins --tests

files="imports, reports and what else needs no broker"
others="page, publishers, proxies, workers and clients"
# The broker of the others is their own: Rust's tests stop theirs.
env --unset BELLWIRE_TEST_AMQP_URL --unset BELLWIRE_TEST_DATABASE_URL tests/services.sh tests/others.sh >"$folder/$others" 2>&1 &
others_process=$!
cargo test --workspace --no-fail-fast "${without_broker[@]/#/--test=}" >"$folder/$files" 2>&1 &
files_process=$!

gateway="the rest of Rust's tests"
step "$gateway"
mapfile -t names < <(with_broker)
[ ${#names[@]} -gt 0 ] || { echo "cargo names no tests" >&2 && exit 1; }
cargo test --workspace --no-fail-fast --lib --bins "${names[@]/#/--test=}" || failed+=("$gateway")
ended "$files" "$files_process"
ended "$others" "$others_process"

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nFailed:\n' && printf '  %s\n' "${failed[@]}"
  exit 1
fi
printf '\nAll tests passed, in %d minutes and %d seconds.\n' $((SECONDS / 60)) $((SECONDS % 60))
