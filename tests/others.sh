#!/usr/bin/env bash
# All tests that are not Rust's, one after another; tests/everything.sh runs it beside services of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() {
  printf '\n== %s, after %d s\n' "$*" "$SECONDS"
}

step "the browser module"
npm --prefix tests/browser run --silent test:module

step "the page on two pods behind proxies and over HTTP/2, every way to publish, and the metrics of all"
tests/cluster.sh bash -euo pipefail -c '
  tests/publishers/run.sh
  npm --prefix tests/browser run --silent test:pods
  tests/proxies/run.sh
  tests/metrics.sh
'

step "workers in Python and Node"
tests/workers/run.sh

step "SignalR's clients and those of server-sent events on two pods, directly and through HAProxy"
tests/clients/run.sh

step "faults that befall pods and network while people listen on every wire"
tests/chaos/run.sh --short

step "a fresh broker as README makes it, and what scales workers by it"
env --unset BELLWIRE_TEST_AMQP_URL tests/services.sh --rabbitmq-only tests/infra/broker.sh
