#!/usr/bin/env bash
# Runs README's publishing examples as they are written there, and the CloudEvents SDKs for Python and JavaScript, and waits
# for each event in ada's browser.
# tests/cluster.sh runs it. An example is a fenced block after a line `<!-- example: NAME -->`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export speaker=publishers
for part in say ports; do
  # shellcheck source=/dev/null
  . "$root/tests/services/$part.sh"
done
: "${BELLWIRE_TEST_PODS:?run it by tests/cluster.sh}" "${BELLWIRE_TEST_PUBLISHER_URL:?run it by tests/cluster.sh}"

folder=$(mktemp -d "${TMPDIR:-/tmp}/bellwire-publishers.XXXXXX")
listener=
trap 'stop_process "$listener" 5; rm -rf "$folder"' EXIT

# What the examples read.
export BELLWIRE=${BELLWIRE_TEST_PODS%%,*} AMQP_URL=$BELLWIRE_TEST_PUBLISHER_URL TOKEN
TOKEN=$("${CARGO_TARGET_DIR:-$root/target}/debug/bellwire" token --config "$BELLWIRE_TEST_CONFIG" \
  --environment dev --user ada --scope publish)

example() { # example NAME: prints the block
  awk -v marker="<!-- example: $1 -->" '
    $0 == marker { found = 1; next }
    found && /^```/ { if (inside) exit; inside = 1; next }
    inside { print }
  ' "$root/README.md"
}

# Ada listens on the other pod than the one that curl publishes to.
: >"$folder/events"
curl -sN -H "Authorization: Bearer $TOKEN" "${BELLWIRE_TEST_PODS##*,}/events" >"$folder/events" &
listener=$!
heard() { grep -q "$1" "$folder/events"; }
wait_until 20 heard '^id: ' || fail "GET /events sent no cursor: $(cat "$folder/events")"

check() { # check NAME FILE PROGRAM…: runs the program on the example and waits for its event
  local name=$1 file=$folder/$2
  shift 2
  say "$name"
  example "$name" >"$file"
  [ -s "$file" ] || fail "README.md has no example $name"
  "$@" "$file" || fail "the example $name failed"
  wait_until 20 heard "\"source\":\"/examples/$name\"" ||
    fail "ada did not hear the example $name; she heard: $(cat "$folder/events")"
}

check curl curl.sh bash -euo pipefail

python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
check python publish.py "$folder/python/bin/python"

if [ ! -e "$here/node_modules/.package-lock.json" ] || [ "$here/package-lock.json" -nt "$here/node_modules/.package-lock.json" ]; then
  (cd "$here" && npm ci --no-audit --no-fund --loglevel=error)
fi
ln -s "$here/node_modules" "$folder/node_modules" # A module's imports are looked up beside its own file.
check node publish.mjs node
# check_sdk NAME PROGRAM…: runs the program and waits for each event that the lines NAME of the table below list, by the end of
# its source and what its JSON holds besides.
check_sdk() {
  local name=$1 source text
  shift
  say "the CloudEvents SDK for $name"
  "$@" || fail "the program for $name failed"
  while read -r source text; do
    wait_until 20 heard "\"source\":\"/sdk/$name-$source\".*$text" ||
      fail "ada did not hear $name-$source with $text; she heard: $(cat "$folder/events")"
  done < <(sed -n "s/^$name //p" <<<"$sdk_events")
}
sdk_events='
python structured "data":{"n":9007199254740993,"beyond":10000000000000000000000000,"price":1.1,
python binary "subject":"café € 100%","time":"2026-11-28T20:00:00.123456Z".*"data":{"n":9007199254740993,"beyond":10000000000000000000000000,
python text "data":"café"
python bytes "data_base64":"/wA="
python batch-0 "data":{"n":9007199254740993,
python batch-1 "data":{"n":9007199254740993,
python rabbitmq "time":"2026-11-28T20:00:00.123456Z".*"data":{"n":9007199254740993,
python amqp "time":"2026-11-28T20:00:00.123Z".*"data":{"n":9007199254740993,
javascript structured "data":{"n":9007199254740991,"price":1.1,"text":"café"}
javascript binary "subject":"100% said".*"data":{"n":9007199254740991,"price":1.1,"text":"café"}
javascript text "data":"said"
javascript bytes "data_base64":"/wA="
javascript bytes-structured "data_base64":"/wA="
javascript batch-0 "data":{"n":9007199254740991,
javascript batch-1 "data":{"n":9007199254740991,
'
check_sdk python "$folder/python/bin/python" "$here/sdk.py"
check_sdk javascript node "$here/sdk.mjs"

# As a user that reads the log, as an operator would look.
dropped=$(BELLWIRE_BACKPLANE__URL=$BELLWIRE_TEST_WORKER_URL "${CARGO_TARGET_DIR:-$root/target}/debug/bellwire" \
  events --config "$BELLWIRE_TEST_CONFIG" --environment dev dropped --since 1h)
grep -q 'bellwire.dev.publish.*missing field .source..*"id":"unusable"' <<<"$dropped" ||
  fail "bellwire events dropped does not show what nobody can use, but: $dropped"
say "all examples in README.md work as written, and the SDKs as they are"
