#!/usr/bin/env bash
# Two gateway pods and a worker of each kind as processes of their own, each as its role's broker user.
# Runs beside a RabbitMQ that tests/services.sh started:
#
#   tests/services.sh tests/cluster.sh COMMAND…                                 for as long as the command runs
#   tests/services.sh --rabbitmq-only tests/cluster.sh --ports 8081,8082        until Ctrl-C
#
# The command finds in its environment:
#   BELLWIRE_TEST_PODS           the pods' addresses, separated by a comma
#   BELLWIRE_TEST_ADMINS         those of their admin ports, and then of the workers'
#   BELLWIRE_TEST_SECRET         the HS256 secret of the environment `dev`
#   BELLWIRE_TEST_CONFIG         the settings file of all
#   BELLWIRE_TEST_WORKER_URL     the broker, as the imports worker's own user
#   BELLWIRE_TEST_PUBLISHER_URL  the broker, as the user of plain publishers
#   BELLWIRE_TEST_GATEWAY_URL    the broker, as the user of gateways, and their program: BELLWIRE_TEST_GATEWAY
# BELLWIRE_TEST_KINDS names more kinds that get queues and users, with the imports worker's password, and no process.
# The binaries are taken from where cargo puts them; build them first.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export speaker=cluster
for part in say ports run; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done

ports=
if [ "${1:-}" = --ports ]; then
  ports=${2:?--ports 8081,8082}
  shift 2
fi
IFS=, read -r first second <<<"${ports:-$(free_port),$(free_port)}"
: "${BELLWIRE_TEST_AMQP_URL:?run it by tests/services.sh}" "${BELLWIRE_TEST_RABBITMQCTL:?it must be ours to add users to}"
programs=${CARGO_TARGET_DIR:-$root/target}/debug
kinds=(imports reports workflows)
read -r -a others <<<"${BELLWIRE_TEST_KINDS:-}"
for program in bellwire bellwire-gateway "${kinds[@]/#/bellwire-}"; do
  [ -x "$programs/$program" ] || fail "$programs/$program is missing: cargo build --workspace --bins"
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-cluster.XXXXXX")
declare -A pids=()

stop_everything() {
  trap '' INT TERM HUP
  stop_command
  local name stopping=()
  for name in "${!pids[@]}"; do
    stop_process "${pids[$name]}" 30 &
    stopping+=($!)
  done
  [ ${#stopping[@]} -eq 0 ] || wait "${stopping[@]}" || true
  rm -rf "$folder"
}
trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# broker_as USER PASSWORD: prints the broker's address for that user.
broker_as() {
  sed "s|//[^@]*@|//$1:$2@|" <<<"$BELLWIRE_TEST_AMQP_URL"
}

# start NAME PROGRAM VARIABLE=VALUE…
start() {
  local name=$1 program=$2
  shift 2
  env "$@" "$programs/$program" --config "$BELLWIRE_TEST_CONFIG" </dev/null >"$folder/$name.log" 2>&1 &
  pids[$name]=$!
}

# ready NAME ADMIN: waits until the process says that it is.
ready() {
  local name=$1 admin=$2
  answered() { is_gone "${pids[$name]}" || curl -sf -o /dev/null "http://$admin/readyz"; }
  if ! wait_until 60 answered || is_gone "${pids[$name]}"; then
    say "$name is not ready: $(curl -s "http://$admin/readyz" || echo "it has ended")"
    tail -n 20 "$folder/$name.log" >&2
    exit 1
  fi
}

export BELLWIRE_TEST_SECRET BELLWIRE_TEST_CONFIG=$folder/bellwire.toml
BELLWIRE_TEST_SECRET=$(random)
cat >"$BELLWIRE_TEST_CONFIG" <<TOML
[[environment]]
name = "dev"
hs256_secret = "$BELLWIRE_TEST_SECRET"

[gateway]
linger = "0s"
grace = "1s"
most_age = "0s"
rebalance = 0

[storage]
url = "file:$folder/files"

[database]
url = "${BELLWIRE_TEST_DATABASE_URL:-sqlite://$folder/bellwire.db}"

[imports]
definitions = "$root/functions/imports/examples"

[reports]
definitions = "$root/functions/reports/examples"

[workflows]
definitions = "$root/functions/workflows/examples"
TOML

BELLWIRE_BACKPLANE__URL=$BELLWIRE_TEST_AMQP_URL \
  "$programs/bellwire" topology --config "$BELLWIRE_TEST_CONFIG" --environment dev \
  --kinds "$(IFS=,; set -- "${kinds[@]}" ${others[@]+"${others[@]}"}; printf %s "$*")" >&2
# From here on nobody is an operator: what a role may not do, fails here as it would in production.
gateway_password=$(random) worker_password=$(random) publisher_password=$(random)
BELLWIRE_GATEWAY_PASSWORD=$gateway_password BELLWIRE_WORKER_PASSWORD=$worker_password \
  BELLWIRE_PUBLISHER_PASSWORD=$publisher_password BELLWIRE_PASSWORDS=$folder/passwords \
  "$root/infra/rabbitmq/roles.sh" dev "${kinds[@]}" ${others[@]+"${others[@]}"} >"$folder/roles.json"
"$BELLWIRE_TEST_RABBITMQCTL" --silent import_definitions "$folder/roles.json" >&2
gateway_url=$(broker_as bellwire.dev.gateway "$gateway_password")
BELLWIRE_TEST_WORKER_URL=$(broker_as bellwire.dev.worker.imports "$worker_password")
BELLWIRE_TEST_PUBLISHER_URL=$(broker_as bellwire.dev.publisher "$publisher_password")
export BELLWIRE_TEST_WORKER_URL BELLWIRE_TEST_PUBLISHER_URL
export BELLWIRE_TEST_GATEWAY_URL=$gateway_url BELLWIRE_TEST_GATEWAY=$programs/bellwire-gateway

first_admin=127.0.0.1:$(free_port) second_admin=127.0.0.1:$(free_port)
declare -A worker_admins=()
start pod-1 bellwire-gateway BELLWIRE_BACKPLANE__URL="$gateway_url" \
  BELLWIRE_GATEWAY__LISTEN="127.0.0.1:$first" BELLWIRE_GATEWAY__ADMIN_LISTEN="$first_admin"
start pod-2 bellwire-gateway BELLWIRE_BACKPLANE__URL="$gateway_url" \
  BELLWIRE_GATEWAY__LISTEN="127.0.0.1:$second" BELLWIRE_GATEWAY__ADMIN_LISTEN="$second_admin"
for kind in "${kinds[@]}"; do
  worker_admins[$kind]=127.0.0.1:$(free_port)
  start "$kind" "bellwire-$kind" BELLWIRE_BACKPLANE__URL="$(broker_as "bellwire.dev.worker.$kind" "$worker_password")" \
    "BELLWIRE_${kind^^}__ADMIN_LISTEN=${worker_admins[$kind]}"
done
ready pod-1 "$first_admin"
ready pod-2 "$second_admin"
for kind in "${kinds[@]}"; do
  ready "$kind" "${worker_admins[$kind]}"
done
export BELLWIRE_TEST_PODS=http://127.0.0.1:$first,http://127.0.0.1:$second
BELLWIRE_TEST_ADMINS=http://$first_admin,http://$second_admin$(printf ',http://%s' "${worker_admins[@]}")
export BELLWIRE_TEST_ADMINS

if [ $# -gt 0 ]; then
  run_command "$@"
fi

cat <<WORDS

  pod 1    http://localhost:$first    admin http://$first_admin/readyz
  pod 2    http://localhost:$second    admin http://$second_admin/readyz
  workers                           admin$(printf ' http://%s/readyz' "${worker_admins[@]}")
  logs     $folder/*.log

Open both pods, and paste this token of ada's into each; bob's is that of a reviewer:

$("$programs/bellwire" token --config "$BELLWIRE_TEST_CONFIG" --user ada --scope "tasks publish" --environment dev)

$("$programs/bellwire" token --config "$BELLWIRE_TEST_CONFIG" --user bob --groups reviewers --scope tasks --environment dev)

Ctrl-C ends all.
WORDS
ended() {
  local name
  for name in "${!pids[@]}"; do
    ! is_gone "${pids[$name]}" || { gone=$name && return 0; }
  done
  return 1
}
until ended; do
  sleep 1
done
say "$gone has ended:"
tail -n 20 "$folder/$gone.log" >&2
exit 1
