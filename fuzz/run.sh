#!/usr/bin/env bash
# Feeds each target what a fuzzer makes up, one after the other; fails if one of them found something.
#
#   fuzz/run.sh SECONDS [TARGET…]
#
# What it learns stays in fuzz/corpus, and the next run goes on from there. An input that broke something stays in
# fuzz/artifacts: lay it into fuzz/seeds/TARGET, from where `make test` replays it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export speaker=fuzz
for part in say install; do
  # shellcheck source=/dev/null
  . "../tests/services/$part.sh"
done

seconds=${1:?how many seconds for each target}
shift
[ $# -gt 0 ] || mapfile -t < <(sed -n 's/^ *target("\([a-z_]*\)".*/\1/p' src/targets.rs)
[ $# -gt 0 ] || set -- "${MAPFILE[@]}"

install_missing g++ # libFuzzer is C++ and is compiled here
# In the folder of all other builds, whose dependencies are taken as they are.
target_folder=${CARGO_TARGET_DIR:-../target}
RUSTC_WORKSPACE_WRAPPER=$PWD/instrumented.sh \
  cargo build --workspace --features bellwire-fuzz/libfuzzer --bin bellwire-fuzz

program=$target_folder/debug/bellwire-fuzz
found=
for target in "$@"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  log=artifacts/$target.log
  if BELLWIRE_FUZZ_TARGET=$target "$program" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/" "corpus/$target" >"$log" 2>&1; then
    say "$target: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs; $(
      grep -o 'cov: [0-9]*' "$log" | tail -1)"
  else
    found=yes
    tail -n 40 "$log" >&2
    say "$target: FOUND something; the input is in fuzz/artifacts/$target, the words above are from fuzz/$log"
  fi
done
[ -z "$found" ]
