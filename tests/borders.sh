#!/usr/bin/env bash
# The rules that hold by absence: a part that does not depend on another cannot reach into it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

broken=0
forbid() { # forbid WHY FOUND: complains unless FOUND is empty
  [ -n "$2" ] || return 0
  printf 'borders: %s\n%s\n' "$1" "$2" >&2
  broken=1
}
depends() { # depends CRATES MANIFEST…: the lines of a manifest that name one of the crates
  local crates=$1
  shift
  grep -nHE "^\"?($crates)\"?[. =]" "$@" || true
}

# tests/ may name lapin: it compares with a bare consumer and plays the stranger on the broker.
forbid "only backplane/ names lapin" \
  "$(depends 'lapin|deadpool-lapin' {process,storage,gateway,cli}/Cargo.toml functions/*/Cargo.toml)"
forbid "functions/ never import the gateway" "$(depends 'gateway|bellwire-gateway' functions/*/Cargo.toml)"
forbid "the gateway never imports a function" \
  "$(depends 'runtime|imports|reports|workflows' gateway/Cargo.toml)"
for kind in imports reports workflows; do
  others=$(printf '%s\n' imports reports workflows | grep -v "$kind" | paste -sd'|')
  forbid "no function knows another" "$(depends "$others" "functions/$kind/Cargo.toml")"
done
forbid "backplane/ depends on no other part" \
  "$(depends 'process|storage|signalr|gateway|runtime|imports|reports|workflows' backplane/Cargo.toml)"
forbid "signalr/ is bytes and messages: it depends on no other part, and on no socket" \
  "$(depends 'backplane|process|storage|gateway|runtime|imports|reports|workflows|tokio|tokio-util|hyper|hyper-util|axum' \
    signalr/Cargo.toml)"
forbid "functions/runtime knows no job" "$(depends 'imports|reports|workflows' functions/runtime/Cargo.toml)"
forbid "the dispatcher knows no wire protocol" \
  "$(grep -nE '\b(axum|hyper|http|signalr|tungstenite)::|crate::(write|hub|api|pod|caller|config|routes|server)\b' gateway/src/dispatch.rs gateway/src/dispatch/*.rs || true)"
forbid "a file's name says its role" \
  "$(git ls-files -co --exclude-standard -- '*.rs' | grep -E '(^|/)(mod|utils?|helpers?|common|manager|misc)\.rs$' || true)"

exit "$broken"
