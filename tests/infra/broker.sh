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

# README's commands, each as the user who is meant to; the passwords are where roles.sh says that they are.
export RABBITMQCTL=$BELLWIRE_TEST_RABBITMQCTL BELLWIRE_PASSWORDS=$home/passwords BELLWIRE_ENVIRONMENT__0__NAME=prod
make_users() {
  "$root/infra/rabbitmq/roles.sh" --import everywhere >/dev/null
  "$root/infra/rabbitmq/roles.sh" --import prod imports reports workflows >/dev/null
}
password_of() {
  awk -v user="$1" '$1 == user { print $2 }' "$BELLWIRE_PASSWORDS"
}
bellwire=${CARGO_TARGET_DIR:-$root/target}/debug/bellwire
url_of() {
  sed "s|//[^@]*@|//$1:$(password_of "$1")@|" <<<"$BELLWIRE_TEST_AMQP_URL"
}
# as USER COMMAND…: the program bellwire, as that user.
as() {
  BELLWIRE_BACKPLANE__URL=$(url_of "$1") "$bellwire" "${@:2}"
}
make_users
kept=$(cat "$BELLWIRE_PASSWORDS")
make_users
[ "$kept" = "$(cat "$BELLWIRE_PASSWORDS")" ] || fail "a second run changes passwords"
while read -r user password; do
  "$BELLWIRE_TEST_RABBITMQCTL" --silent authenticate_user "$user" "$password" >/dev/null || fail "$user has not the password that is kept"
done <<<"$kept"
[ "$(wc -l <<<"$kept")" -eq 9 ] || fail "these users are not nine: $(cut -d ' ' -f 1 <<<"$kept")"

as bellwire.prod.topology topology --environment prod
as bellwire.prod.gateway notify --environment prod --user ada "The office closes at six"
as bellwire.everywhere notify --everywhere "The power goes at nine"
BELLWIRE_BACKPLANE__URL=$(url_of bellwire.prod.gateway) "$bellwire" tail --environment prod --since 10m >"$home/tail.log" 2>&1 &
shows_both() {
  grep -qs 'The office closes at six' "$home/tail.log" && grep -q 'The power goes at nine' "$home/tail.log"
}
wait_until 30 shows_both || fail "tail shows: $(cat "$home/tail.log")"
stop_process $! 5
as bellwire.prod.operator jobs list --environment prod

BELLWIRE_TEST_MANAGEMENT=http://127.0.0.1:$port
BELLWIRE_TEST_SCALER=bellwire.prod.scaler:$(password_of bellwire.prod.scaler)
export BELLWIRE_TEST_MANAGEMENT BELLWIRE_TEST_SCALER
exec python3 -B "$root/tests/infra/scaler.py"
