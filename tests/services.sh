#!/usr/bin/env bash
# Runs a command beside a RabbitMQ and a PostgreSQL of its own, and stops them when it ends.
#
#   tests/services.sh cargo test --workspace
#   tests/services.sh --rabbitmq-only COMMAND…
#   tests/services.sh --with-redis COMMAND…
#   tests/services.sh --rabbitmq 4.0 COMMAND…           RabbitMQ of that version (3.10, 4.0, 4.3): Debian's packages, unpacked into target/
#   tests/services.sh --rabbitmq 4.0 --nodes 3 COMMAND… a cluster, behind an address that leads to a node that answers
#
# The command finds them in its environment:
#   BELLWIRE_TEST_AMQP_URL      the broker, as an operator who may do everything
#   BELLWIRE_TEST_AMQPS_URL     the same over TLS, to who shows a certificate; where there is a database too
#   BELLWIRE_TEST_RABBITMQCTL   a program: rabbitmqctl for that node
#   BELLWIRE_TEST_BROKER        a program: stop, start, restart or kill that node (its data stay), or rabbitmqctl: ctl ARGUMENT…
#   BELLWIRE_TEST_NODES         a folder with such a program for each node, by its name
#   BELLWIRE_TEST_DATABASE_URL  the database, as its owner
#   BELLWIRE_TEST_TLS_DATABASE_URL      another, which is spoken to over TLS alone
#   BELLWIRE_TEST_TLS_DATABASE_EXPIRED  a file on it: its certificate, whose time is over
#   BELLWIRE_TEST_CERTIFICATES          the folder of its authority (ca.pem), another (other-ca.pem), and of client.pem and client.key
#   BELLWIRE_TEST_REDIS_URL     the Redis, where it was asked for
#   BELLWIRE_TEST_S3_URL        a server of S3 with a bucket `bellwire`, and
#   BELLWIRE_TEST_S3_KEYS       the file with the keys that it takes
#   BELLWIRE_TEST_S3_TLS_URL    the same server over TLS
#   BELLWIRE_TEST_GS_URL        the same without keys, for Google's requests
#   BELLWIRE_TEST_S3_CA         the authority of its certificate
#   BELLWIRE_TEST_DATASETS      the folder with real CSV files, where npm could fetch them
#   BELLWIRE_TEST_WORKBOOKS     the folder with real workbooks, and with openpyxl to read them by
#   BELLWIRE_TEST_READERS       a folder with pandas (venv/) and the CSV files of Python's packages (files/)
#
# A BELLWIRE_TEST_AMQP_URL or BELLWIRE_TEST_DATABASE_URL that is already set is used as it is.
# Everything listens on 127.0.0.1, on free ports, and lives in one folder that is removed at the end.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for part in say ports install certificates rabbitmq postgresql redis buckets datasets workbooks run; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done

want_database=yes want_redis='' version='' nodes=1
while :; do
  case ${1:-} in
    --rabbitmq-only) want_database= ;;
    --with-redis) want_redis=yes ;;
    --rabbitmq) shift && version=${1:-} && debian_with_rabbitmq "$version" >/dev/null ;;
    --nodes) shift && nodes=${1:-} ;;
    *) break ;;
  esac
  shift
done
[[ $nodes =~ ^[1-9]$ ]] || fail "--nodes takes 1 to 9"
[ $# -gt 0 ] || fail "what shall run beside the services? For example: tests/services.sh cargo test --workspace"

start_broker=
start_database=
[ -n "${BELLWIRE_TEST_AMQP_URL:-}" ] || start_broker=yes
[ -z "$want_database" ] || [ -n "${BELLWIRE_TEST_DATABASE_URL:-}" ] || start_database=yes

broker_packages=()
[ -z "$start_broker" ] || if [ -n "$version" ]; then broker_packages=(mmdebstrap); else broker_packages=(rabbitmq-server); fi
[ "$nodes" -eq 1 ] || broker_packages+=(haproxy)
install_missing ${broker_packages[@]+"${broker_packages[@]}"} ${start_database:+postgresql} ${want_redis:+redis-server} curl ${want_database:+sqlite3 chromium poppler-utils python3-venv haproxy nginx openssl prometheus}

[ -z "$start_broker" ] || [ -z "$version" ] || fetch_rabbitmq "$version"

folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-services.XXXXXX")
chmod 711 "$folder" # PostgreSQL runs as another user than root and must reach its own folder.

[ -z "$want_database" ] || make_certificates

starting=()
stop_everything() {
  trap '' INT TERM HUP
  stop_command
  # What is half started could not be stopped: let it finish first.
  [ ${#starting[@]} -eq 0 ] || wait "${starting[@]}" || true
  stop_postgresql &
  stop_redis
  stop_buckets
  stop_rabbitmq
  wait $!
  rm -rf "$folder"
}
trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Both at once: each takes seconds. What they found out comes back through a file of exports.
[ -z "$start_broker" ] || { start_rabbitmq "$version" "$nodes" & starting+=($!); }
[ -z "$start_database" ] || { start_postgresql & starting+=($!); }
[ -z "$want_redis" ] || { start_redis & starting+=($!); }
[ -z "$want_database" ] || { start_buckets & starting+=($!); }
[ -z "$want_database" ] || [ -n "${BELLWIRE_TEST_READERS:-}" ] || { fetch_readers & starting+=($!); }
fetch_datasets
[ -z "$want_database" ] || fetch_workbooks
[ -z "$want_database" ] || install_packages tests/identity # The identity provider that scenarios start.
[ -z "$want_database" ] || install_packages tests/receivers # The mail server and the receiver of webhooks.
for each in ${starting[@]+"${starting[@]}"}; do
  wait "$each" || fail "a service did not start; what it said is above"
done
for exports in "$folder"/*.exports; do
  # shellcheck source=/dev/null
  [ ! -e "$exports" ] || . "$exports"
done

[ -z "$want_database" ] || export BELLWIRE_TEST_READERS="${BELLWIRE_TEST_READERS:-$(readers_folder)}"
run_command "$@"
