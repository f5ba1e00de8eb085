#!/usr/bin/env bash
# What speaks to the broker, on each version of it that we support, and on a cluster that loses the node that leads the log.
#
#   tests/brokers.sh          # all versions (`make test-brokers`)
#   tests/brokers.sh 4.0 4.3  # these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- 3.10 4.0 4.3

cargo build --workspace --bins --tests
for version in "$@"; do
  step() {
    printf '\n== RabbitMQ %s: %s\n' "$version" "$*"
  }
  step "README's commands on a fresh one, and what scales workers by it"
  tests/services.sh --rabbitmq-only --rabbitmq "$version" tests/infra/broker.sh
  step "contract, scenarios, lost workers, a restart"
  tests/services.sh --rabbitmq "$version" \
    cargo test --workspace --no-fail-fast --test contract --test scenarios --test killed --test broker_restart -- --skip memory::
  step "workers in Python and Node"
  tests/services.sh --rabbitmq-only --rabbitmq "$version" tests/workers/run.sh
  step "three nodes, of which one is lost"
  tests/services.sh --rabbitmq-only --rabbitmq "$version" --nodes 3 \
    cargo test --workspace --test broker_restart -- --ignored
done
printf '\nAll tests passed on RabbitMQ %s, in %d minutes.\n' "$*" $((SECONDS / 60))
