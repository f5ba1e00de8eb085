#!/usr/bin/env bash
# README's commands on a fresh broker, and what scales workers by it, over the broker's own management API:
#
#   tests/services.sh --rabbitmq-only tests/infra/broker.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export speaker=broker
for part in say ports; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done
: "${BELLWIRE_TEST_AMQP_URL:?run it by tests/services.sh}" "${BELLWIRE_TEST_RABBITMQCTL:?}" "${BELLWIRE_TEST_BROKER:?}"

# The management API, on a port of this node's own.
home=$(dirname "$BELLWIRE_TEST_RABBITMQCTL")/rabbitmq-1 port=$(free_port)
"$BELLWIRE_TEST_BROKER" stop
echo '[rabbitmq_management].' >"$home/enabled_plugins"
printf 'management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n' "$port" >>"$home/rabbitmq.conf"
"$BELLWIRE_TEST_BROKER" start

export BELLWIRE_TOPOLOGY_PASSWORD=topology BELLWIRE_SCALER_PASSWORD=scaler
"$root/infra/rabbitmq/roles.sh" everywhere | "$BELLWIRE_TEST_RABBITMQCTL" --silent import_definitions
"$root/infra/rabbitmq/roles.sh" prod imports reports workflows | "$BELLWIRE_TEST_RABBITMQCTL" --silent import_definitions
# Nobody but the user of the environment: what README says must be enough.
BELLWIRE_BACKPLANE__URL=$(sed 's|//[^@]*@|//bellwire.prod.topology:topology@|' <<<"$BELLWIRE_TEST_AMQP_URL") \
  BELLWIRE_ENVIRONMENT__0__NAME=prod "${CARGO_TARGET_DIR:-$root/target}/debug/bellwire" topology --environment prod

export BELLWIRE_TEST_MANAGEMENT=http://127.0.0.1:$port
exec python3 -B "$root/tests/infra/scaler.py"
